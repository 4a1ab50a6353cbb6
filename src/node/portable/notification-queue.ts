/**
 * From node:net's callbacks to the tasks that wait.
 *
 * Node calls back for each socket by itself, dozens of times in one round of its loop. An entrance
 * into the scheduler for each would cost more than the echo of a small message, so notices are
 * gathered and delivered together, by one setImmediate at the end of the round. (Echo of 64 bytes
 * over 50 connections: 1.04 times the cost of plain node:net, against 1.15.)
 *
 * A notice that comes alone would pay for the setImmediate by itself. So after a round that
 * brought only one, some are delivered on the spot before a round is gathered again, to see: 1 at
 * first, and twice as many after each further lonely round.
 *
 * Invariants:
 *  1. The flag of a readiness is set at once; only the waking of its waiter may come later.
 *  2. While a notice is in the list, the list will be delivered in this round of the loop.
 *  3. What was closed meanwhile has no waiter: granting it does nothing.
 */
import type { Readiness } from '../../kernel/readiness.ts';
import type { NetworkOwner } from '../../world/network.ts';

/** The most notices that are delivered on the spot between two gathered rounds. */
const MAX_DIRECT = 64;

export class NotificationQueue {
  readonly #owner: NetworkOwner;
  /** Readinesses with a flag that their waiter has not heard of; one may be here twice. */
  #pending: Readiness[] = [];
  /** The array that takes turns with it. */
  #spare: Readiness[] = [];
  /** How many notices more are delivered on the spot, and how many it will be next time. */
  #direct = 0;
  #nextDirect = 1;
  readonly #deliverRound = (): void => this.#endRound();
  readonly #notify = (): void => this.#notifyAll();

  constructor(owner: NetworkOwner) {
    this.#owner = owner;
  }

  /** `readiness` became readable. Where nobody waits, the flag is all there is to it. */
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
    if (this.#pending.length > 1) return;
    if (this.#direct === 0) {
      setImmediate(this.#deliverRound);
    } else {
      this.#direct -= 1;
      this.#owner.deliver(this.#notify);
    }
  }

  #endRound(): void {
    const alone = this.#pending.length === 1;
    this.#direct = alone ? this.#nextDirect : 0;
    this.#nextDirect = alone ? Math.min(2 * this.#nextDirect, MAX_DIRECT) : 1;
    this.#owner.deliver(this.#notify);
  }

  /** Waking a waiter files its task and runs nothing, so the list does not grow meanwhile. */
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
