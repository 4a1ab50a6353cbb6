/** The node room's part of the catalogue of error codes. */
import type { Catalogue } from '../kernel/catalogue.ts';

export const NODE_ERRORS: Catalogue = {
  ERR_BACKEND: {
    className: 'UsageError',
    sentence: 'The backend that was asked for is unknown, or is not to be had here.',
    cause: '`network`, `--backend` or CORONET_BACKEND asks for epoll where the addon is not built.',
    remedy: '`coronet doctor` tells why. Build the addon, or use auto or portable.',
  },
};
