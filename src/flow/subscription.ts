/**
 * Subscription of a broadcast: a bounded buffer, and the tasks that wait for its items.
 *
 * Invariants:
 *  1. Receivers wait only while the buffer is empty and the subscription has not ended.
 *  2. `#full` is true while the broadcast counts the subscription as full.
 *  3. A subscription that has ended takes no items. Buffered items can still be received, unless
 *     the subscriber has closed the subscription.
 */

import type { Selectable, Waiter } from '../kernel/case.ts';
import { WOULD_WAIT } from '../kernel/case.ts';
import { current } from '../kernel/current.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { RingBuffer } from '../support/ring-buffer.ts';
import { SlowSubscriberError } from './errors.ts';
import { OwnerMonitor } from './ownership.ts';
import { firstWaiter, WaitingOperation, wakeAll } from './wait-queue.ts';

/** The behaviour of a broadcast when the buffer of a subscription is full. */
export type SlowPolicy = 'wait' | 'drop-oldest' | 'drop-newest' | 'fail';

/** The state and counters of a subscription. */
export interface SubscriptionStats {
  /** Items in the buffer. */
  readonly buffered: number;
  readonly received: number;
  /** Items that the subscription has missed. */
  readonly dropped: number;
  /** Tasks in `next()`. */
  readonly receivers: number;
  /** True after `close()`, after the broadcast was closed, and after ERR_SUBSCRIBER_SLOW. */
  readonly closed: boolean;
}

/**
 * One receiver of a broadcast. It is closed when the task that subscribed and the last task that
 * called `next()` have both ended, so that senders do not wait for it. One that was made outside
 * of tasks must be closed by the program.
 */
export interface Subscription<T> extends Disposable {
  /**
   * Receives the next item as an IteratorResult: `{ done: true }` once the subscription is closed,
   * or the broadcast is closed and the buffer is empty.
   * Cancel: no item is lost. Errors: ERR_SUBSCRIBER_SLOW with `slow: 'fail'`, after the buffered
   * items.
   */
  next(): Selectable<IteratorResult<T, undefined>>;
  /** Unsubscribes and drops the buffered items. Idempotent. */
  close(): void;
  stats(): SubscriptionStats;
}

/** The broadcast of a subscription, independent of the type of the items. */
export interface SubscriptionSource {
  readonly capacity: number;
  readonly slow: SlowPolicy;
  readonly title: string;
  fullCountChanged(delta: 1 | -1): void;
  itemDropped(): void;
  unsubscribed(subscription: object): void;
}

export class SubscriptionImpl<T> implements Subscription<T> {
  readonly receivers: ParkingQueue<Waiter> = new ParkingQueue();
  readonly #source: SubscriptionSource;
  readonly #buffer = new RingBuffer<T>();
  /** The task that subscribed; null: outside of tasks, so no end is monitored. */
  readonly #subscriber: TaskImpl | null = current.task;
  readonly #subscriberMonitor = new OwnerMonitor(() => this.#taskEnded());
  /** The last other task that received. */
  #receiver: TaskImpl | null = null;
  readonly #receiverMonitor = new OwnerMonitor(() => this.#taskEnded());
  #full = false;
  #ended = false;
  /** True once an item was missed and `slow` is 'fail'. */
  #failed = false;
  #received = 0;
  #dropped = 0;

  constructor(source: SubscriptionSource) {
    this.#source = source;
    if (this.#subscriber !== null) this.#subscriberMonitor.start(this.#subscriber);
  }

  next(): Selectable<IteratorResult<T, undefined>> {
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
      receivers: this.receivers.size,
      closed: this.#ended,
    });
  }

  get title(): string {
    return this.#source.title;
  }

  /** Takes no more items. */
  end(): void {
    this.#ended = true;
    this.#subscriberMonitor.stop();
    this.#receiverMonitor.stop();
    wakeAll(this.receivers, { done: true, value: undefined });
    this.#setFull(false);
  }

  /** Takes an item that was sent. */
  offer(item: T): void {
    const receiver = firstWaiter(this.receivers);
    if (receiver !== null) {
      this.#received++;
      receiver.wake({ done: false, value: item });
      return;
    }
    if (this.#buffer.length >= this.#source.capacity) return this.#overflow(item);
    this.#buffer.push(item);
    if (this.#buffer.length >= this.#source.capacity) this.#setFull(true);
  }

  #noteReceiver(task: TaskImpl | null): void {
    if (task === null || task === this.#receiver || task === this.#subscriber) return;
    if (this.#subscriber === null || this.#ended) return;
    this.#receiverMonitor.stop();
    this.#receiver = task;
    this.#receiverMonitor.start(task);
  }

  #taskEnded(): void {
    const receiverEnded = this.#receiver === null || this.#receiver.finished;
    if (this.#subscriber?.finished === true && receiverEnded) this.close();
  }

  isEmpty(): boolean {
    return this.#buffer.length === 0;
  }

  /** Receives without waiting. */
  take(): IteratorResult<T, undefined> | typeof WOULD_WAIT {
    this.#noteReceiver(current.task);
    if (this.#buffer.length > 0) {
      const item = this.#buffer.shift();
      this.#received++;
      this.#setFull(false);
      return { done: false, value: item };
    }
    if (this.#failed) throw new SlowSubscriberError(this.title, this.#source.capacity);
    return this.#ended ? { done: true, value: undefined } : WOULD_WAIT;
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
    this.#source.fullCountChanged(full ? 1 : -1);
  }
}

class SubscriptionNext<T> extends WaitingOperation<IteratorResult<T, undefined>> {
  readonly #subscription: SubscriptionImpl<T>;

  constructor(subscription: SubscriptionImpl<T>) {
    super(subscription.receivers);
    this.#subscription = subscription;
  }

  attempt(): IteratorResult<T, undefined> | typeof WOULD_WAIT {
    return this.#subscription.take();
  }

  override isEmptied(): boolean {
    return this.#subscription.isEmpty();
  }

  override describe(): string {
    return `receive from ${this.#subscription.title}`;
  }
}
