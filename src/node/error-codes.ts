/** Error codes and errors of the node layer. */

import { CoronetError } from '../kernel/errors.ts';
import type { Catalogue } from '../support/error-catalogue.ts';

export const NODE_ERRORS: Catalogue = {
  ERR_BACKEND: {
    className: 'UsageError',
    sentence: 'The requested backend or engine of TLS is unknown or not available.',
    cause:
      '`backend`, `--backend` or CORONET_BACKEND requests epoll, but the addon is not built; or ' +
      'CORONET_TLS requests native TLS, but this Node does not export OpenSSL 3.',
    remedy:
      '`coronet doctor` prints the reason. `coronet build` builds the addon; or use portable, or ' +
      'node:tls.',
  },
  ERR_TLS_TRUNCATED: {
    className: 'TruncatedError',
    sentence: 'A TLS connection ended without a close_notify, so its last bytes may be missing.',
    cause: 'The peer closed the connection without ending TLS, crashed, or the stream was cut.',
    remedy:
      'Treat the received data as incomplete, unless the protocol marks the end of its messages.',
  },
};

/**
 * A TLS connection ended without a close_notify: the peer ended abruptly, or an attacker cut the
 * stream. The received bytes are intact, but bytes at the end may be missing.
 */
export class TruncatedError extends CoronetError {
  constructor(peer: string) {
    super(
      'ERR_TLS_TRUNCATED',
      `The TLS connection with ${peer} ended without a close_notify: the last bytes may be ` +
        'missing',
    );
  }
}
