/** The node room's part of the catalogue of error codes. */
import type { Catalogue } from '../kernel/catalogue.ts';

export const NODE_ERRORS: Catalogue = {
  ERR_BACKEND: {
    className: 'UsageError',
    sentence: 'The backend that was asked for is unknown, or is not to be had here.',
    cause: '`network`, `--backend` or CORONET_BACKEND asks for epoll where the addon is not built.',
    remedy: '`coronet doctor` tells why. Build the addon, or use auto or portable.',
  },
  ERR_TLS_TRUNCATED: {
    className: 'TruncatedError',
    sentence: 'A TLS connection ended without a close_notify, so bytes may be missing at its end.',
    cause: 'The peer closed the connection without ending TLS, has died, or somebody cut the line.',
    remedy:
      'Take what came before as incomplete, unless the protocol itself says where messages end.',
  },
};
