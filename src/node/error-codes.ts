/** The node room's part of the catalogue of error codes. */

import { CoronetError } from '../kernel/errors.ts';
import type { Catalogue } from '../support/error-catalogue.ts';

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

/** The errors of the node room. */

/**
 * A TLS connection ended without a close_notify: the peer was cut off, or somebody on the way has
 * cut the stream. What was received before is whole, but it may not be all that was sent.
 */
export class TruncatedError extends CoronetError {
  constructor(peer: string) {
    super(
      'ERR_TLS_TRUNCATED',
      `The TLS connection with ${peer} ended without a close_notify: what was received may not ` +
        'be all that was sent',
    );
  }
}
