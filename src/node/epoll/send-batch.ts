/**
 * Sends the small messages of the tasks of a batch.
 *
 * The code of a task and the send path of the system evict each other from the processor caches. So
 * the system calls of up to `capacity` tasks are made in one call into the addon.
 *
 * Invariants:
 *  1. A queued send is carried out before any other call on its connection has an effect, and at
 *     the end of the scheduler's batch at the latest. Its task then continues in the same batch.
 *  2. Each connection has its result before the first waiter is notified.
 */
import type { Addon } from '../addon.ts';

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** A connection that takes part in batches. */
export interface BatchSender {
  readonly handle: number;
  /** `result` is what the addon's `send` would have returned for `length` bytes. */
  onSent(result: number, length: number): void;
  /** Wakes the task that waits for the result, which continues before all others. */
  notifySent(): void;
}

export class SendBatch {
  readonly #addon: Addon;
  readonly #capacity: number;
  /** Handle and result of each send. The addon reads and writes it. */
  readonly #results: Int32Array;
  readonly #data: Uint8Array[];
  readonly #senders: (BatchSender | null)[];
  #count = 0;

  constructor(addon: Addon, capacity: number) {
    this.#addon = addon;
    this.#capacity = capacity;
    this.#results = new Int32Array(2 * capacity);
    this.#data = new Array<Uint8Array>(capacity).fill(NO_BYTES);
    this.#senders = new Array<BatchSender | null>(capacity).fill(null);
  }

  /** Adds a send to the next run. If the batch is full, it is run before. */
  add(sender: BatchSender, data: Uint8Array): void {
    if (this.#count === this.#capacity) this.run();
    const at = this.#count;
    this.#results[2 * at] = sender.handle;
    this.#data[at] = data;
    this.#senders[at] = sender;
    this.#count = at + 1;
  }

  /** Carries out all sends. Returns their number. */
  run(): number {
    const count = this.#count;
    if (count === 0) return 0;
    this.#count = 0;
    this.#addon.sendEach(this.#results, count, this.#data);
    for (let i = 0; i < count; i += 1) {
      const { length } = this.#data[i] as Uint8Array;
      this.#data[i] = NO_BYTES;
      (this.#senders[i] as BatchSender).onSent(this.#results[2 * i + 1] as number, length);
    }
    // The last one that is woken continues first.
    for (let i = count - 1; i >= 0; i -= 1) {
      const sender = this.#senders[i] as BatchSender;
      this.#senders[i] = null;
      sender.notifySent();
    }
    return count;
  }
}
