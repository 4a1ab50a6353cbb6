/** The errors of the net room. */
import { BusyError, CoronetError } from '../kernel/errors.ts';

/** A cancelled `sendAll` had begun: how much of it went out is in `bytesSent`. */
export class TornError extends CoronetError {
  /** Bytes of the cut-off send that were handed to the system. */
  readonly bytesSent: number;

  constructor(who: string, bytesSent: number) {
    super(
      'ERR_TORN',
      `Nothing more can be sent to ${who}: an earlier send was cancelled after ${bytesSent} ` +
        'bytes had gone out, so the stream is torn in the middle of it. Close the socket.',
    );
    this.bytesSent = bytesSent;
  }
}

/** A second task uses a direction of a socket that one task at a time may use. */
export function busySocket(direction: 'receive' | 'send' | 'accept', who: string): BusyError {
  return new BusyError(
    'ERR_BUSY',
    `Another task is in the middle of a ${direction} on ${who}. One task at a time may use each ` +
      'direction.',
  );
}
