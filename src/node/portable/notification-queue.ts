/**
 * Passes the readiness that node:net reports to the waiting tasks, many sockets at a time.
 *
 * Node calls back for each socket separately, dozens of times in one round of its event loop. To
 * enter the scheduler for each would cost more than the echo of a small message. So notifications
 * are gathered and delivered MAX_TOGETHER at a time, the last ones by one setImmediate at the end
 * of the round. (Echo of 64 bytes over 50 connections: 1.04 times the cost of plain node:net,
 * compared with 1.15.) More at a time would leave the processor cache before their tasks run, and
 * large chunks would outlive a collection of young garbage, so that V8 marks the whole heap.
 *
 * For a single notification, the setImmediate would be the larger cost. So after a round with only
 * one, the next ones are delivered directly, then a round is gathered again. Their number is 1 at
 * first and doubles after each further round with only one notification.
 *
 * Invariants:
 *  1. The flag of a readiness is set at once; only its waiter may be woken later.
 *  2. A notification in the list is delivered in this round of the event loop.
 *  3. A resource that was closed meanwhile has no waiter: its notification has no effect.
 */
import type { Readiness } from '../../kernel/readiness.ts';
import type { NetworkOwner } from '../../world/network.ts';
import { setImmediate } from '../timers.ts';

/** The most notifications that are gathered. */
const MAX_TOGETHER = 16;

/** The most notifications that are delivered directly between two gathered rounds. */
const MAX_DIRECT = 64;

export class NotificationQueue {
  readonly #owner: NetworkOwner;
  /** Resources whose waiter has not been woken yet; a resource may be in the list twice. */
  #pending: Readiness[] = [];
  /** An empty array, swapped with `#pending` at each delivery. */
  #spare: Readiness[] = [];
  /** How many notifications have been gathered in this round. */
  #gathered = 0;
  /** How many notifications are still delivered directly. */
  #direct = 0;
  /** How many are after the next round with only one. */
  #nextDirect = 1;
  readonly #deliverRound = (): void => this.#endRound();
  readonly #notify = (): void => this.#notifyAll();

  constructor(owner: NetworkOwner) {
    this.#owner = owner;
  }

  /** `readiness` became readable. Without a waiter, setting the flag is enough. */
  readable(readiness: Readiness): void {
    readiness.canRecv = true;
    if (readiness.recvWaiter !== null) this.#add(readiness);
  }

  /** `readiness` became writable. */
  writable(readiness: Readiness): void {
    readiness.canSend = true;
    if (readiness.sendWaiter !== null) this.#add(readiness);
  }

  #add(readiness: Readiness): void {
    this.#pending.push(readiness);
    if (this.#direct > 0) {
      this.#direct -= 1;
      return this.#owner.deliver(this.#notify);
    }
    this.#gathered += 1;
    if (this.#gathered === 1) setImmediate(this.#deliverRound);
    if (this.#pending.length === MAX_TOGETHER) this.#owner.deliver(this.#notify);
  }

  #endRound(): void {
    const alone = this.#gathered === 1;
    this.#gathered = 0;
    this.#direct = alone ? this.#nextDirect : 0;
    this.#nextDirect = alone ? Math.min(2 * this.#nextDirect, MAX_DIRECT) : 1;
    if (this.#pending.length > 0) this.#owner.deliver(this.#notify);
  }

  /** Waking a waiter queues its task and runs nothing, so the list does not grow meanwhile. */
  #notifyAll(): void {
    const gathered = this.#pending;
    this.#pending = this.#spare;
    this.#spare = gathered;
    for (const readiness of gathered) {
      if (readiness.canRecv) readiness.notifyRecv();
      if (readiness.canSend) readiness.notifySend();
    }
    gathered.length = 0;
  }
}
