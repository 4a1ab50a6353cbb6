/**
 * Receiving for many connections at once: those of a wake-up whose tasks wait to receive.
 *
 * The system calls of a batch are made in one call into the addon, and its buffers one after the
 * other, so that the code for each of these is still in the processor's caches for the next
 * connection. Between two receives of its own, a task would go all the way through its handler and
 * the system's send, which leaves nothing there. That is 5 % of the CPU time of a small message.
 *
 * Invariants:
 *  1. Bytes are received for the connection, not for its task. They lie in the transport, in the
 *     place where the system had them, until a try takes them; a task that was cancelled meanwhile
 *     has taken nothing.
 *  2. No code of a program runs between the first receive of a batch and the moment when each
 *     transport has what was received for it. Waiters are granted after that.
 *  3. Whatever happens, the waiters are granted: their edges have been used up. A task that finds
 *     nothing in its transport tries the system itself, and is the one to be told why.
 *  4. A run receives no more than MOST_SLABS have room for; the others find nothing.
 */
import type { Addon } from '../addon.ts';
import type { Slabs } from './slab.ts';
import { LEAST_ROOM, SLAB_BYTES } from './slab.ts';

/**
 * What one run receives fits into so many slabs: 32 messages of 4 KB do, wherever in a slab they
 * begin. A connection can send more than it did before, and while tasks are slow many may wait
 * their turn, with all of it in our memory instead of the system's.
 */
const MAX_SLABS = 3;

/** A connection that takes part. */
export interface BatchReceiver {
  readonly handle: number;
  /** Bytes have come. `drained`: fewer than there was room for. */
  onReceived(data: Buffer, drained: boolean): void;
  /** None have, for the reason `result`, which the addon's `recv` would have answered. */
  onNoData(result: number): void;
  /** The notice "readable" of Readiness. */
  notifyRecv(): void;
}

export class ReceiveBatch {
  readonly #addon: Addon;
  readonly #slabs: Slabs;
  /** Handle and result of each receive; read and written by the addon. */
  readonly #results: Int32Array;
  readonly #receivers: (BatchReceiver | null)[];
  #count = 0;

  /** `most` connections at most are added between two runs. */
  constructor(addon: Addon, slabs: Slabs, most: number) {
    this.#addon = addon;
    this.#slabs = slabs;
    this.#results = new Int32Array(2 * most);
    this.#receivers = new Array<BatchReceiver | null>(most).fill(null);
  }

  /** `receiver` takes part in the next run. */
  add(receiver: BatchReceiver): void {
    this.#results[2 * this.#count] = receiver.handle;
    this.#receivers[this.#count] = receiver;
    this.#count += 1;
  }

  /** Receives for all that were added, then grants their waiters. */
  run(): void {
    const count = this.#count;
    if (count === 0) return;
    this.#count = 0;
    try {
      let done = 0;
      for (let i = 0; i < MAX_SLABS && done < count; i += 1) done = this.#receive(done, count);
    } catch {
      // No memory for a slab, most likely: see invariant 3.
    }
    this.#notifyReceivers(count);
  }

  /** As many as the slab has room for, and at least one. Where the next one begins. */
  #receive(from: number, to: number): number {
    const slabs = this.#slabs;
    const results = this.#results;
    slabs.reserve(LEAST_ROOM, LEAST_ROOM);
    const end = from + this.#addon.recvEach(results, from, to, slabs.memory, slabs.offset);
    for (let i = from; i < end; i += 1) {
      const receiver = this.#receivers[i] as BatchReceiver;
      const result = results[2 * i + 1] as number;
      const drained = result < SLAB_BYTES - slabs.offset;
      if (result > 0) receiver.onReceived(slabs.takeNext(result), drained);
      else receiver.onNoData(result);
    }
    return end;
  }

  /** Nothing of them is kept. */
  #notifyReceivers(count: number): void {
    for (let i = 0; i < count; i += 1) {
      const receiver = this.#receivers[i] as BatchReceiver;
      this.#receivers[i] = null;
      receiver.notifyRecv();
    }
  }
}
