/**
 * Subscriptions of a broadcast: a bounded buffer, and the tasks that wait for its items.
 *
 * Invariants:
 *  1. `#full` is true while the subscription counts as full with its broadcast.
 *  2. Once it has ended no item comes in. What is in the buffer can still be received, unless the
 *     subscriber has closed it itself.
 */
import type { Operation } from '../kernel/operation.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import { RingBuffer } from '../support/ring-buffer.ts';
import { SlowSubscriberError } from './errors.ts';
import { WOULD_WAIT } from './select/case.ts';
import type { Waiter } from './wait-queue.ts';
import { firstWaiter, WaitingOperation } from './wait-queue.ts';

/** What a broadcast does about a subscription that has no room. */
export type SlowPolicy = 'wait' | 'drop-oldest' | 'drop-newest' | 'fail';

/** What a subscription has received and holds. */
export interface SubscriptionStats {
  /** Items in the buffer. */
  readonly buffered: number;
  readonly received: number;
  /** Items that it has missed. */
  readonly dropped: number;
  /** Tasks in `next()`. */
  readonly receivers: number;
  readonly closed: boolean;
}

/** One receiver of a broadcast. */
export interface Subscription<T> extends Disposable {
  /**
   * The next item, as an IteratorResult; `{ done: true }` once the subscription is closed, or the
   * broadcast is and the buffer is empty.
   * Cancel: no item is lost. Errors: ERR_SUBSCRIBER_SLOW with `slow: 'fail'`, after what is
   * buffered.
   */
  next(): Operation<IteratorResult<T, undefined>>;
  /** Takes no more items and drops what is buffered. Idempotent. */
  close(): void;
  stats(): SubscriptionStats;
}

/** What a subscription needs of its broadcast, whatever the items are. */
export interface SubscriptionSource {
  readonly capacity: number;
  readonly slow: SlowPolicy;
  readonly title: string;
  fullChanged(by: 1 | -1): void;
  itemDropped(): void;
  unsubscribed(subscription: object): void;
}

export class SubscriptionImpl<T> implements Subscription<T> {
  readonly #source: SubscriptionSource;
  readonly #buffer = new RingBuffer<T>();
  readonly #receivers = new ParkingQueue<Waiter>();
  #full = false;
  #ended = false;
  /** Set when it has missed an item and `slow` is 'fail'. */
  #failed = false;
  #received = 0;
  #dropped = 0;

  constructor(feed: SubscriptionSource) {
    this.#source = feed;
  }

  next(): Operation<IteratorResult<T, undefined>> {
    return new SubscriptionNext(this);
  }

  close(): void {
    this.#buffer.clear();
    this.#failed = false;
    this.#source.unsubscribed(this);
    this.end();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  stats(): SubscriptionStats {
    return Object.freeze({
      buffered: this.#buffer.length,
      received: this.#received,
      dropped: this.#dropped,
      receivers: this.#receivers.size,
      closed: this.#ended,
    });
  }

  get title(): string {
    return this.#source.title;
  }

  /** No more items come. */
  end(): void {
    this.#ended = true;
    this.settle();
    this.#setFull(false);
  }

  /** An item was sent. */
  offer(item: T): void {
    if (this.#ended) return;
    if (this.#receivers.size > 0) this.settle();
    const receiver = firstWaiter(this.#receivers);
    if (receiver !== null) {
      this.#received++;
      receiver.wake({ done: false, value: item });
      return;
    }
    if (this.#buffer.length >= this.#source.capacity) return this.#overflow(item);
    this.#buffer.push(item);
    if (this.#buffer.length >= this.#source.capacity) this.#setFull(true);
  }

  /** One try to receive. */
  take(): IteratorResult<T, undefined> | typeof WOULD_WAIT {
    if (this.#receivers.size > 0) this.settle();
    if (this.#buffer.length > 0) {
      const item = this.#shift();
      this.#setFull(false);
      return { done: false, value: item };
    }
    if (this.#failed) throw this.#failure();
    return this.#ended ? { done: true, value: undefined } : WOULD_WAIT;
  }

  enlist(place: Waiter): void {
    this.#receivers.push(place);
  }

  settle(): void {
    for (let at = firstWaiter(this.#receivers); at !== null; at = firstWaiter(this.#receivers)) {
      if (this.#buffer.length > 0) {
        at.wake({ done: false, value: this.#shift() });
        this.#setFull(false);
      } else if (this.#failed) at.fail(this.#failure());
      else if (this.#ended) at.wake({ done: true, value: undefined });
      else return;
    }
  }

  /** Room is made known only after the item has its receiver: the next one may come in at once. */
  #shift(): T {
    this.#received++;
    return this.#buffer.shift();
  }

  #overflow(item: T): void {
    this.#dropped++;
    this.#source.itemDropped();
    if (this.#source.slow === 'fail') {
      this.#failed = true;
      this.#source.unsubscribed(this);
      this.end();
    } else if (this.#source.slow === 'drop-oldest') {
      this.#buffer.shift();
      this.#buffer.push(item);
    }
  }

  #setFull(full: boolean): void {
    if (this.#full === full) return;
    this.#full = full;
    this.#source.fullChanged(full ? 1 : -1);
  }

  #failure(): SlowSubscriberError {
    return new SlowSubscriberError(this.title, this.#source.capacity);
  }
}

class SubscriptionNext<T> extends WaitingOperation<IteratorResult<T, undefined>> {
  readonly #subscription: SubscriptionImpl<T>;

  constructor(subscription: SubscriptionImpl<T>) {
    super();
    this.#subscription = subscription;
  }

  attempt(): IteratorResult<T, undefined> | typeof WOULD_WAIT {
    return this.#subscription.take();
  }

  enlist(place: Waiter): void {
    this.#subscription.enlist(place);
  }

  settle(): void {
    this.#subscription.settle();
  }

  override describe(): string {
    return `receive from ${this.#subscription.title}`;
  }
}
