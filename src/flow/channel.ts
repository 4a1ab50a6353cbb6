/**
 * Channel: passes items from sending to receiving tasks. Each item goes to exactly one task, in the
 * order of sending.
 *
 * Invariants:
 *  1. Items leave in the order in which their sends took effect. Waiting senders and receivers are
 *     served in FIFO order.
 *  2. The buffer holds at most `capacity` items. With capacity 0 an item passes directly from the
 *     sender to the receiver.
 *  3. An item belongs to exactly one of: its sender (the send has not happened), the buffer, or its
 *     receiver (the receive has happened). It moves in one synchronous step.
 *  4. After `close` no send takes effect; buffered items can still be received.
 *  5. Receivers wait only while the buffer is empty, senders only while it is full. Both wait at
 *     the same time only if they are cases of one select, which is never its own counterpart.
 */

import type { Selectable, Waiter } from '../kernel/case.ts';
import { WOULD_WAIT } from '../kernel/case.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import { checkCount, checkName, titled } from '../support/checks.ts';
import { RingBuffer } from '../support/ring-buffer.ts';
import { ChannelClosedError } from './errors.ts';
import { failAll, firstWaiter, WaitingOperation } from './wait-queue.ts';

/** The state and counters of a channel. */
export interface ChannelStats {
  readonly name: string;
  readonly capacity: number;
  /** Items in the buffer. */
  readonly buffered: number;
  /** Tasks that wait to send. */
  readonly senders: number;
  /** Tasks that wait to receive. */
  readonly receivers: number;
  readonly sent: number;
  readonly received: number;
  readonly closed: boolean;
}

/**
 * A bounded queue between tasks; with capacity 0 a rendezvous.
 *
 * @example
 * const jobs = new Channel<Job>(16, 'jobs');
 * yield* jobs.send(job);             // in one task
 * const job = yield* jobs.receive(); // in another one
 */
export class Channel<T> {
  readonly capacity: number;
  readonly name: string;
  /** @internal */
  readonly senders: ParkingQueue<Waiter> = new ParkingQueue();
  /** @internal */
  readonly receivers: ParkingQueue<Waiter> = new ParkingQueue();
  readonly #buffer = new RingBuffer<T>();
  #sent = 0;
  #received = 0;
  #closed = false;

  /** `capacity` is the size of the buffer in items: 0 is a rendezvous, Infinity unbounded. */
  constructor(capacity = 0, name = '') {
    checkCount('capacity', capacity, 0);
    checkName(name);
    this.capacity = capacity;
    this.name = name;
  }

  /**
   * Sends `item`; waits while the buffer is full (with capacity 0: until a task receives the item).
   * Cancel: the item was not sent. Errors: ERR_CHANNEL_CLOSED.
   */
  send(item: T): Selectable<void> {
    return new Send(this, item);
  }

  /**
   * Receives the next item; waits while there is none.
   * Cancel: no item is lost. Errors: ERR_CHANNEL_CLOSED once the channel is closed and drained.
   */
  receive(): Selectable<T> {
    return new Receive(this);
  }

  /**
   * Receives the next item as an IteratorResult: `{ done: true }` once the channel is closed and
   * drained.
   * Cancel: no item is lost.
   */
  next(): Selectable<IteratorResult<T, undefined>> {
    return new Next(this);
  }

  /**
   * Sends without waiting. Returns false if the buffer is full and no task receives, or if the
   * channel is closed.
   *
   * It lets no other task run: a task whose other operations complete at once makes up to 128 of
   * them in a turn, so it can fill a small buffer although a task is ready to receive. Use a bare
   * `yield` after each item, or a capacity above the items of a turn times the busy senders.
   */
  trySend(item: T): boolean {
    if (this.#closed) return false;
    const receiver = firstWaiter(this.receivers);
    if (receiver !== null) {
      this.#received++;
      receiver.wake((receiver.request as ReceiveOperation<T, unknown>).wrap(item));
    } else if (this.#buffer.length < this.capacity) {
      this.#buffer.push(item);
    } else {
      return false;
    }
    this.#sent++;
    return true;
  }

  /** Receives without waiting. Returns `undefined` if no item is available. */
  tryReceive(): T | undefined {
    const item = this.take();
    return item === WOULD_WAIT ? undefined : (item as T);
  }

  /**
   * Closes the channel. Waiting sends end with ERR_CHANNEL_CLOSED and have not happened; buffered
   * items can still be received. Idempotent.
   */
  close(): void {
    this.#closed = true;
    failAll(this.senders, () => this.closedError());
    for (let at = firstWaiter(this.receivers); at !== null; at = firstWaiter(this.receivers)) {
      (at.request as ReceiveOperation<T, unknown>).endWaiter(at);
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Items in the buffer. */
  get size(): number {
    return this.#buffer.length;
  }

  stats(): ChannelStats {
    return Object.freeze({
      name: this.name,
      capacity: this.capacity,
      buffered: this.#buffer.length,
      senders: this.senders.size,
      receivers: this.receivers.size,
      sent: this.#sent,
      received: this.#received,
      closed: this.#closed,
    });
  }

  /** "channel 'jobs'". @internal */
  get title(): string {
    return titled('channel', this.name);
  }

  /** Receives without waiting. @internal */
  take(): T | typeof WOULD_WAIT {
    const sender = firstWaiter(this.senders);
    if (this.#buffer.length === 0) {
      if (sender === null) return WOULD_WAIT;
      this.#received++;
      return this.#takeFrom(sender);
    }
    const item = this.#buffer.shift();
    this.#received++;
    if (sender !== null) this.#buffer.push(this.#takeFrom(sender));
    return item;
  }

  /** @internal */
  closedError(): ChannelClosedError {
    return new ChannelClosedError(this.title);
  }

  /** The send of `sender` takes effect: returns its item. */
  #takeFrom(sender: Waiter): T {
    const { item } = sender.request as Send<T>;
    this.#sent++;
    sender.wake();
    return item;
  }
}

class Send<T> extends WaitingOperation<void> {
  readonly #channel: Channel<T>;
  readonly item: T;

  constructor(channel: Channel<T>, item: T) {
    super(channel.senders);
    this.#channel = channel;
    this.item = item;
  }

  attempt(): undefined | typeof WOULD_WAIT {
    if (this.#channel.closed) throw this.#channel.closedError();
    return this.#channel.trySend(this.item) ? undefined : WOULD_WAIT;
  }

  override describe(): string {
    return `send to ${this.#channel.title}`;
  }

  override resources(): readonly object[] {
    return [this.#channel];
  }
}

/** Base of `receive` and `next`, which differ in the form of the result. */
abstract class ReceiveOperation<T, R> extends WaitingOperation<R> {
  protected readonly channel: Channel<T>;

  constructor(channel: Channel<T>) {
    super(channel.receivers);
    this.channel = channel;
  }

  /** Returns the result for an item. */
  abstract wrap(item: T): R;

  /** Returns the result for a closed and drained channel, or throws. */
  protected abstract end(): R;

  /** Ends a waiting receive, because the channel was closed. */
  abstract endWaiter(waiter: Waiter): void;

  /** With a rendezvous, a sender depends on the receiver that waits. */
  override isEmptied(): boolean {
    const { capacity, size, senders } = this.channel;
    return size === 0 && capacity > 0 && senders.size === 0;
  }

  attempt(): R | typeof WOULD_WAIT {
    const item = this.channel.take();
    if (item !== WOULD_WAIT) return this.wrap(item as T);
    return this.channel.closed ? this.end() : WOULD_WAIT;
  }

  override describe(): string {
    return `receive from ${this.channel.title}`;
  }

  override resources(): readonly object[] {
    return [this.channel];
  }
}

class Receive<T> extends ReceiveOperation<T, T> {
  wrap(item: T): T {
    return item;
  }

  protected end(): never {
    throw this.channel.closedError();
  }

  endWaiter(waiter: Waiter): void {
    waiter.fail(this.channel.closedError());
  }
}

class Next<T> extends ReceiveOperation<T, IteratorResult<T, undefined>> {
  wrap(item: T): IteratorResult<T, undefined> {
    return { done: false, value: item };
  }

  protected end(): IteratorResult<T, undefined> {
    return { done: true, value: undefined };
  }

  endWaiter(waiter: Waiter): void {
    waiter.wake(this.end());
  }
}
