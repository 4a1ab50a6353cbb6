/**
 * The bytes that all connections of a server have moved.
 *
 * They stand on the sockets, where counting them costs nothing, so whoever asks pays for a walk
 * over the open ones. Tasks that ask in one batch share a walk: a thousand that wait until
 * something can be seen in the figures would otherwise take a thousand walks each time. What a task
 * has learnt from another one, or from the network, has happened in an earlier batch.
 */
import { current } from '../kernel/current.ts';
import type { ConnectionRecord } from './connection-record.ts';
import type { Tally } from './tally.ts';

export class Traffic {
  readonly #open: ReadonlySet<ConnectionRecord>;
  readonly #tally: Tally;
  #batch = -1;
  bytesReceived = 0;
  bytesSent = 0;

  constructor(open: ReadonlySet<ConnectionRecord>, tally: Tally) {
    this.#open = open;
    this.#tally = tally;
  }

  /** Brings the figures up to the batch that is running; outside of tasks, up to now. */
  update(batch: number): this {
    if (current.task === null) this.#batch = -1;
    else if (batch === this.#batch) return this;
    else this.#batch = batch;
    this.bytesReceived = this.#tally.bytesReceived;
    this.bytesSent = this.#tally.bytesSent;
    for (const { socket } of this.#open) {
      this.bytesReceived += socket.bytesReceived;
      this.bytesSent += socket.bytesSent;
    }
    return this;
  }
}
