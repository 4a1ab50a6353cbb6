/**
 * Subscription of topics: a bounded buffer of messages, with the gaps between them.
 *
 * Invariants:
 *  1. The buffer holds at most `capacity` messages. Each gap in it is followed by a message, so it
 *     holds at most as many gaps. `#gapAtFront` precedes the buffer, `#gapAtEnd` follows it.
 *  2. Receivers wait only while no item is available, or while the subscription is on hold.
 *  3. Every message that was dropped is counted in a gap at its place.
 *  4. A subscription that has ended takes no messages. Buffered items can still be received, unless
 *     the subscriber has closed the subscription.
 */
import { SlowSubscriberError } from '../flow/errors.ts';
import { OwnerMonitor } from '../flow/ownership.ts';
import type { SlowPolicy } from '../flow/subscription.ts';
import { failAll, firstWaiter, WaitingOperation, wakeAll } from '../flow/wait-queue.ts';
import type { Selectable, Waiter } from '../kernel/case.ts';
import { WOULD_WAIT } from '../kernel/case.ts';
import { current } from '../kernel/current.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import type { Keys } from '../support/checks.ts';
import { checkCount, checkKeys, outOfRange, wrongType } from '../support/checks.ts';
import { RingBuffer } from '../support/ring-buffer.ts';
import { checkPattern, checkQueue } from './subject.ts';
import type {
  SubscribeOptions,
  TopicGap,
  TopicItem,
  TopicMessage,
  TopicSubscription,
  TopicSubscriptionStats,
} from './topics.ts';

const SUBSCRIBE_KEYS: Keys<SubscribeOptions> = { capacity: true, slow: true, queue: true };
const POLICIES: readonly SlowPolicy[] = ['wait', 'drop-oldest', 'drop-newest', 'fail'];
const DEFAULT_CAPACITY = 256;

/** The topics of a subscription. */
export interface SubscriptionSource {
  /** A full buffer has space again, or a subscription with `slow: 'wait'` has ended. */
  spaceFreed(): void;
  /** The subscriber has closed the subscription, or it has failed. */
  unsubscribed(subscription: SubscriptionImpl): void;
  messageTaken(): void;
  messageMissed(): void;
  gapReported(): void;
}

/** Throws for invalid arguments of `subscribe`. */
export function checkSubscribe(pattern: string, options: SubscribeOptions): void {
  checkPattern('pattern', pattern);
  checkKeys('options', options, SUBSCRIBE_KEYS);
  const { capacity = DEFAULT_CAPACITY, slow = 'drop-oldest', queue } = options;
  checkCount('capacity', capacity, 1);
  if (typeof slow !== 'string') throw wrongType('slow', 'a string', slow);
  if (!POLICIES.includes(slow)) throw outOfRange('slow', POLICIES.join(', '), slow);
  if (queue !== undefined) checkQueue(queue);
}

export class SubscriptionImpl implements TopicSubscription {
  readonly pattern: string;
  readonly queue: string | undefined;
  readonly slow: SlowPolicy;
  readonly receivers: ParkingQueue<Waiter> = new ParkingQueue();
  readonly #capacity: number;
  readonly #source: SubscriptionSource;
  readonly #buffer = new RingBuffer<TopicItem>();
  /** The messages in `#buffer`. */
  #buffered = 0;
  #gapAtFront: TopicGap | null = null;
  #gapAtEnd: TopicGap | null = null;
  #held = false;
  #ended = false;
  #failure: Error | null = null;
  #received = 0;
  #missed = 0;
  #gaps = 0;
  /** The task that subscribed. */
  readonly #subscriber: TaskImpl | null = current.task;
  readonly #subscriberMonitor = new OwnerMonitor(() => this.#taskEnded());
  /** The last other task that received. */
  #receiver: TaskImpl | null = null;
  readonly #receiverMonitor = new OwnerMonitor(() => this.#taskEnded());

  constructor(source: SubscriptionSource, pattern: string, options: SubscribeOptions) {
    this.#source = source;
    this.pattern = pattern;
    this.queue = options.queue;
    this.slow = options.slow ?? 'drop-oldest';
    this.#capacity = options.capacity ?? DEFAULT_CAPACITY;
    if (this.#subscriber !== null) this.#subscriberMonitor.start(this.#subscriber);
  }

  next(): Selectable<IteratorResult<TopicItem, undefined>> {
    return new NextItem(this);
  }

  close(): void {
    this.#buffer.clear();
    this.#buffered = 0;
    this.#gapAtFront = null;
    this.#gapAtEnd = null;
    this.#failure = null;
    this.#source.unsubscribed(this);
    this.end();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  stats(): TopicSubscriptionStats {
    return Object.freeze({
      pattern: this.pattern,
      queue: this.queue,
      buffered: this.#buffered,
      received: this.#received,
      missed: this.#missed,
      gaps: this.#gaps,
      closed: this.#ended,
    });
  }

  /** The error that ends the subscription, or null. */
  get failure(): Error | null {
    return this.#failure;
  }

  get full(): boolean {
    return this.#buffered >= this.#capacity;
  }

  // ---- for the topics ----

  /** Takes no more messages. `failure` is thrown after the buffered items. */
  end(failure: Error | null = null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#held = false;
    this.#subscriberMonitor.stop();
    this.#receiverMonitor.stop();
    this.#serveReceivers();
    if (failure === null) wakeAll(this.receivers, { done: true, value: undefined });
    else failAll(this.receivers, () => failure);
    if (this.slow === 'wait') this.#source.spaceFreed();
  }

  offer(message: TopicMessage): void {
    if (this.#ended) return;
    if (this.full && !this.#makeSpace()) return;
    if (this.#gapAtEnd !== null) this.#buffer.push(this.#gapAtEnd);
    this.#gapAtEnd = null;
    this.#buffer.push(message);
    this.#buffered++;
    this.#serveReceivers();
  }

  /** Reports that messages may be missing at the current end of the stream. */
  reportGap(gap: TopicGap): void {
    if (this.#ended) return;
    this.#gapAtEnd = merged(this.#gapAtEnd, gap);
    this.#serveReceivers();
  }

  /** While on hold, the subscription takes messages, but none can be received. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#serveReceivers();
  }

  isEmpty(): boolean {
    return this.#buffer.length === 0 && this.#gapAtFront === null && this.#gapAtEnd === null;
  }

  /** Receives without waiting. */
  take(): IteratorResult<TopicItem, undefined> | typeof WOULD_WAIT {
    this.#noteReceiver(current.task);
    const wasFull = this.full;
    const item = this.#held ? null : this.#nextItem();
    if (item !== null) {
      if (wasFull && !this.full) this.#source.spaceFreed();
      return { done: false, value: item };
    }
    if (this.#failure !== null) throw this.#failure;
    return this.#ended ? { done: true, value: undefined } : WOULD_WAIT;
  }

  // ---- helpers ----

  #serveReceivers(): void {
    while (!this.#held) {
      const receiver = firstWaiter(this.receivers);
      if (receiver === null) return;
      const item = this.#nextItem();
      if (item === null) return;
      receiver.wake({ done: false, value: item });
    }
  }

  #nextItem(): TopicItem | null {
    const item = this.#shift();
    if (item === null) return null;
    if (item.gap !== undefined) {
      this.#gaps++;
      this.#source.gapReported();
      return item;
    }
    this.#received++;
    this.#source.messageTaken();
    return item;
  }

  #shift(): TopicItem | null {
    const first = this.#gapAtFront;
    if (first !== null) {
      this.#gapAtFront = null;
      return first;
    }
    if (this.#buffer.length > 0) {
      const item = this.#buffer.shift();
      if (item.gap === undefined) this.#buffered--;
      return item;
    }
    const last = this.#gapAtEnd;
    this.#gapAtEnd = null;
    return last;
  }

  /** The buffer is full. Returns false if the new message was dropped. */
  #makeSpace(): boolean {
    this.#missed++;
    this.#source.messageMissed();
    if (this.slow === 'drop-oldest') {
      this.#dropOldest();
      return true;
    }
    if (this.slow === 'fail') {
      this.#source.unsubscribed(this);
      this.end(new SlowSubscriberError(`topic '${this.pattern}'`, this.#capacity));
    } else {
      this.#gapAtEnd = merged(this.#gapAtEnd, { gap: 'slow', missed: 1 });
    }
    return false;
  }

  /** The gap before the oldest message, and the message, become one gap. */
  #dropOldest(): void {
    let item = this.#buffer.shift();
    while (item.gap !== undefined) {
      this.#gapAtFront = merged(this.#gapAtFront, item);
      item = this.#buffer.shift();
    }
    this.#buffered--;
    this.#gapAtFront = merged(this.#gapAtFront, { gap: 'slow', missed: 1 });
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
}

/** One gap for two that are adjacent. The number is known only if it is known for both. */
function merged(first: TopicGap | null, second: TopicGap): TopicGap {
  if (first === null) return second;
  if (first.gap === 'reconnected' || second.gap === 'reconnected') return { gap: 'reconnected' };
  return { gap: 'slow', missed: (first.missed ?? 0) + (second.missed ?? 0) };
}

class NextItem extends WaitingOperation<IteratorResult<TopicItem, undefined>> {
  readonly #subscription: SubscriptionImpl;

  constructor(subscription: SubscriptionImpl) {
    super(subscription.receivers);
    this.#subscription = subscription;
  }

  attempt(): IteratorResult<TopicItem, undefined> | typeof WOULD_WAIT {
    return this.#subscription.take();
  }

  override isEmptied(): boolean {
    return this.#subscription.isEmpty();
  }

  override describe(): string {
    return `receive from topic '${this.#subscription.pattern}'`;
  }
}
