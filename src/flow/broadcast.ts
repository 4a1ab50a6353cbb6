/**
 * Broadcast: sends every item to every subscription, in the order of sending.
 *
 * Invariants:
 *  1. A subscription receives the items that are sent while it is open, from the moment
 *     `subscribe()` returns. Each has a buffer of its own for `capacity` items.
 *  2. An item goes to all subscriptions in one synchronous step, or to none.
 *  3. `#fullCount` counts the subscriptions whose buffer is full. With `slow: 'wait'` a send takes
 *     effect only while it is 0, and senders wait only while it is above 0. With the other policies
 *     a send never waits.
 */

import type { Selectable, Waiter } from '../kernel/case.ts';
import { WOULD_WAIT } from '../kernel/case.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import { checkCount, checkKeys, checkName, titled, wrongType } from '../support/checks.ts';
import { BroadcastClosedError } from './errors.ts';
import type { SlowPolicy, Subscription } from './subscription.ts';
import { SubscriptionImpl } from './subscription.ts';
import { failAll, firstWaiter, WaitingOperation } from './wait-queue.ts';

/** The buffer size of each subscription, and what a send does when a buffer is full. */
export interface BroadcastOptions {
  /** Size of the buffer of each subscription, in items: at least 1. Default 16. */
  readonly capacity?: number;
  /**
   * The behaviour when the buffer of a subscription is full: senders wait ('wait', the default),
   * the subscription drops and counts its oldest item ('drop-oldest') or the new one
   * ('drop-newest'), or it ends with ERR_SUBSCRIBER_SLOW ('fail').
   */
  readonly slow?: SlowPolicy;
}

/** The state and counters of a broadcast. */
export interface BroadcastStats {
  readonly name: string;
  readonly capacity: number;
  readonly slow: SlowPolicy;
  readonly subscriptions: number;
  /** Tasks in `send()`. */
  readonly senders: number;
  readonly sent: number;
  /** Items that subscriptions have missed, closed subscriptions included. */
  readonly dropped: number;
  readonly closed: boolean;
}

/**
 * Sends every item to every subscription.
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
  /** @internal */
  readonly senders: ParkingQueue<Waiter> = new ParkingQueue();
  readonly #subscriptions = new Set<SubscriptionImpl<T>>();
  #fullCount = 0;
  #sent = 0;
  #dropped = 0;
  #closed = false;

  constructor(options: BroadcastOptions = {}, name = '') {
    checkKeys('options', options, { capacity: true, slow: true });
    const { capacity = 16, slow = 'wait' } = options;
    checkCount('capacity', capacity, 1);
    checkPolicy(slow);
    checkName(name);
    this.capacity = capacity;
    this.slow = slow;
    this.name = name;
  }

  /**
   * Sends `item` to every subscription. With `slow: 'wait'` it waits until none is full. Without
   * subscriptions the item is dropped.
   * Cancel: no subscription has received the item. Errors: ERR_BROADCAST_CLOSED.
   */
  send(item: T): Selectable<void> {
    return new BroadcastSend(this, item);
  }

  /**
   * Sends without waiting. Returns false if `send` would wait, or if the broadcast is closed.
   *
   * It lets no other task run: a task whose other operations complete at once makes up to 128 of
   * them in a turn, so it can fill small buffers although tasks are ready to receive. Use a bare
   * `yield` after each item, or a capacity above the items of a turn times the busy senders.
   */
  trySend(item: T): boolean {
    if (this.#closed || this.#blocked) return false;
    this.#deliver(item);
    return true;
  }

  /**
   * Returns a new subscription, which receives all later items. On a closed broadcast it has
   * already ended.
   */
  subscribe(): Subscription<T> {
    const subscription = new SubscriptionImpl<T>(this);
    if (this.#closed) subscription.end();
    else this.#subscriptions.add(subscription);
    return subscription;
  }

  /**
   * Closes the broadcast. Waiting sends end with ERR_BROADCAST_CLOSED and have not happened.
   * Subscriptions end after their buffered items. Idempotent.
   */
  close(): void {
    this.#closed = true;
    failAll(this.senders, () => this.closedError());
    for (const subscription of this.#subscriptions) subscription.end();
    this.#subscriptions.clear();
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
      senders: this.senders.size,
      sent: this.#sent,
      dropped: this.#dropped,
      closed: this.#closed,
    });
  }

  /** "broadcast 'prices'". @internal */
  get title(): string {
    return titled('broadcast', this.name);
  }

  /** @internal */
  closedError(): BroadcastClosedError {
    return new BroadcastClosedError(this.title);
  }

  /** The buffer of a subscription has become full (1), or has space again (-1). @internal */
  fullCountChanged(delta: 1 | -1): void {
    this.#fullCount += delta;
    while (!this.#blocked) {
      const sender = firstWaiter(this.senders);
      if (sender === null) return;
      const { item } = sender.request as BroadcastSend<T>;
      sender.wake();
      this.#deliver(item);
    }
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

  #deliver(item: T): void {
    this.#sent++;
    for (const subscription of this.#subscriptions) subscription.offer(item);
  }
}

class BroadcastSend<T> extends WaitingOperation<void> {
  readonly #broadcast: Broadcast<T>;
  readonly item: T;

  constructor(broadcast: Broadcast<T>, item: T) {
    super(broadcast.senders);
    this.#broadcast = broadcast;
    this.item = item;
  }

  attempt(): undefined | typeof WOULD_WAIT {
    if (this.#broadcast.closed) throw this.#broadcast.closedError();
    return this.#broadcast.trySend(this.item) ? undefined : WOULD_WAIT;
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
