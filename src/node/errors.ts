/** The errors of the node room. */
import { CoronetError } from '../kernel/errors.ts';

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
