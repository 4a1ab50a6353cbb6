/**
 * Broadcast: every item to every subscription, in the order of sending.
 *
 * Invariants:
 *  1. A subscription gets the items that were sent while it was open, from the moment `subscribe()`
 *     returns, and each has a buffer of `capacity` items of its own.
 *  2. An item is given to all subscriptions in one synchronous step, or to none.
 *  3. `#full` counts the subscriptions that have no room. With `slow: 'wait'` a send takes effect
 *     only while it is 0; the other policies never wait.
 */

import type { Operation } from '../kernel/operation.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import { checkCount, checkName, titled, wrongType } from '../support/checks.ts';
import { BroadcastClosedError } from './errors.ts';
import { WOULD_WAIT } from './select/case.ts';
import type { SlowPolicy, Subscription } from './subscription.ts';
import { SubscriptionImpl } from './subscription.ts';
import type { Waiter } from './wait-queue.ts';
import { failAll, firstWaiter, WaitingOperation } from './wait-queue.ts';

/** How much a subscription holds, and what happens when it is full. */
export interface BroadcastOptions {
  /** Items that may wait in each subscription: at least 1. Default 16. */
  readonly capacity?: number;
  /**
   * What happens when a subscription has no room: senders wait ('wait', the default), its oldest
   * item or the new one is dropped and counted, or it ends with ERR_SUBSCRIBER_SLOW ('fail').
   */
  readonly slow?: SlowPolicy;
}

/** What a broadcast has done and holds. */
export interface BroadcastStats {
  readonly name: string;
  readonly capacity: number;
  readonly slow: SlowPolicy;
  readonly subscriptions: number;
  /** Tasks in `send()`. */
  readonly senders: number;
  readonly sent: number;
  /** Items that open or closed subscriptions have missed. */
  readonly dropped: number;
  readonly closed: boolean;
}

/**
 * Every subscription gets every item that is sent.
 *
 * @example
 * const prices = new Broadcast<number>({ capacity: 100, slow: 'drop-oldest' }, 'prices');
 * const subscription = prices.subscribe();
 * yield* prices.send(42);
 * const { done, value } = yield* subscription.next();
 */
export class Broadcast<T> {
  readonly name: string;
  readonly capacity: number;
  readonly slow: SlowPolicy;
  readonly #subscriptions = new Set<SubscriptionImpl<T>>();
  readonly #senders = new ParkingQueue<Waiter>();
  #fullCount = 0;
  #delivering = false;
  #sent = 0;
  #dropped = 0;
  #closed = false;

  constructor(options: BroadcastOptions = {}, name = '') {
    const { capacity = 16, slow = 'wait' } = options;
    checkCount('capacity', capacity, 1);
    checkPolicy(slow);
    checkName(name);
    this.capacity = capacity;
    this.slow = slow;
    this.name = name;
  }

  /**
   * Sends `item` to every subscription; with `slow: 'wait'` it waits until all have room. Without
   * subscriptions the item goes nowhere.
   * Cancel: nobody has got the item. Errors: ERR_BROADCAST_CLOSED.
   */
  send(item: T): Operation<void> {
    return new BroadcastSend(this, item);
  }

  /** Sends without waiting. False: a subscription has no room, or the broadcast is closed. */
  trySend(item: T): boolean {
    return !this.#closed && this.put(item);
  }

  /** A new subscription, active when this returns. On a closed broadcast it is at its end. */
  subscribe(): Subscription<T> {
    const subscription = new SubscriptionImpl<T>(this);
    if (this.#closed) subscription.end();
    else this.#subscriptions.add(subscription);
    return subscription;
  }

  /**
   * No more items. Sends that wait end with ERR_BROADCAST_CLOSED and have not happened;
   * subscriptions get what is in their buffers first. Idempotent.
   */
  close(): void {
    this.#closed = true;
    for (const subscription of this.#subscriptions) subscription.end();
    this.#subscriptions.clear();
    this.settle();
  }

  get closed(): boolean {
    return this.#closed;
  }

  stats(): BroadcastStats {
    return Object.freeze({
      name: this.name,
      capacity: this.capacity,
      slow: this.slow,
      subscriptions: this.#subscriptions.size,
      senders: this.#senders.size,
      sent: this.#sent,
      dropped: this.#dropped,
      closed: this.#closed,
    });
  }

  // ---- for the operations and for subscriptions ----

  /** "broadcast 'prices'". @internal */
  get title(): string {
    return titled('broadcast', this.name);
  }

  /** One try to send on a broadcast that is open. @internal */
  put(item: T): boolean {
    if (this.#senders.size > 0) this.settle();
    if (this.#blocked) return false;
    this.#deliver(item);
    if (this.#senders.size > 0) this.settle();
    return true;
  }

  /** @internal */
  enlist(place: Waiter): void {
    this.#senders.push(place);
  }

  /** Lets those send who can. After `close` it ends the others. @internal */
  settle(): void {
    if (this.#closed) return failAll(this.#senders, () => this.closedError());
    while (!this.#delivering && !this.#blocked) {
      const sender = firstWaiter(this.#senders);
      if (sender === null) return;
      const { item } = sender.request as BroadcastSend<T>;
      sender.wake();
      this.#deliver(item);
    }
  }

  /** @internal */
  closedError(): BroadcastClosedError {
    return new BroadcastClosedError(this.title);
  }

  /** A subscription has run full, or has room again. @internal */
  fullChanged(by: 1 | -1): void {
    this.#fullCount += by;
    if (by < 0) this.settle();
  }

  /** A subscription has missed an item. @internal */
  itemDropped(): void {
    this.#dropped++;
  }

  /** A subscription takes no more items. @internal */
  unsubscribed(subscription: object): void {
    this.#subscriptions.delete(subscription as SubscriptionImpl<T>);
  }

  get #blocked(): boolean {
    return this.#fullCount > 0 && this.slow === 'wait';
  }

  /** Invariant 2: room that comes free meanwhile is for the next item. */
  #deliver(item: T): void {
    this.#delivering = true;
    this.#sent++;
    for (const subscription of this.#subscriptions) subscription.offer(item);
    this.#delivering = false;
  }
}

class BroadcastSend<T> extends WaitingOperation<void> {
  readonly #broadcast: Broadcast<T>;
  readonly item: T;

  constructor(broadcast: Broadcast<T>, item: T) {
    super();
    this.#broadcast = broadcast;
    this.item = item;
  }

  attempt(): undefined | typeof WOULD_WAIT {
    if (this.#broadcast.closed) throw this.#broadcast.closedError();
    return this.#broadcast.put(this.item) ? undefined : WOULD_WAIT;
  }

  enlist(place: Waiter): void {
    this.#broadcast.enlist(place);
  }

  settle(): void {
    this.#broadcast.settle();
  }

  override describe(): string {
    return `send to ${this.#broadcast.title}`;
  }
}

function checkPolicy(slow: SlowPolicy): void {
  if (slow === 'wait' || slow === 'drop-oldest' || slow === 'drop-newest' || slow === 'fail')
    return;
  throw wrongType('slow', "'wait', 'drop-oldest', 'drop-newest' or 'fail'", slow);
}
