/**
 * Channel: items from tasks that send to tasks that receive, each item to exactly one of them, in
 * the order of sending.
 *
 * Invariants:
 *  1. Items leave in the order in which their sends took effect; senders and receivers are served
 *     in the order in which they came.
 *  2. At most `capacity` items wait in the buffer. With capacity 0 an item goes from hand to hand.
 *  3. An item is in exactly one place: with its sender (whose send has not happened), in the
 *     buffer, or with its receiver (whose receive has). Moving it is one synchronous step.
 *  4. After `close` no send takes effect; what is in the buffer can still be received.
 *  5. Senders and receivers that could be served are in line together only while one of them pauses
 *     (place.ts) or while both belong to one select, which cannot be its own counterpart.
 */
import type { Operation } from '../kernel/operation.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import { checkCount, checkName, titled } from '../support/checks.ts';
import { RingBuffer } from '../support/ring-buffer.ts';
import { ChannelClosedError } from './errors.ts';
import { WOULD_WAIT } from './select/case.ts';
import type { Waiter } from './wait-queue.ts';
import { failAll, firstWaiter, firstWaiterExcept, WaitingOperation } from './wait-queue.ts';

/** What a channel has done and holds. */
export interface ChannelStats {
  readonly name: string;
  readonly capacity: number;
  /** Items in the buffer. */
  readonly buffered: number;
  /** Waits of tasks that send. */
  readonly senders: number;
  /** Waits of tasks that receive. */
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
  readonly #buffer = new RingBuffer<T>();
  readonly #senders = new ParkingQueue<Waiter>();
  readonly #receivers = new ParkingQueue<Waiter>();
  #sent = 0;
  #received = 0;
  #closed = false;

  /** `capacity` items may wait: 0 is a rendezvous, Infinity unbounded. */
  constructor(capacity = 0, name = '') {
    checkCount('capacity', capacity, 0);
    checkName(name);
    this.capacity = capacity;
    this.name = name;
  }

  /**
   * Sends `item`; waits while there is no room (with capacity 0: until a task receives it).
   * Cancel: the item was not sent. Errors: ERR_CHANNEL_CLOSED.
   */
  send(item: T): Operation<void> {
    return new Send(this, item);
  }

  /**
   * Receives the next item; waits while there is none.
   * Cancel: no item is lost. Errors: ERR_CHANNEL_CLOSED once the channel is closed and drained.
   */
  receive(): Operation<T> {
    return new Receive(this);
  }

  /**
   * As `receive`, as an IteratorResult: `{ done: true }` once the channel is closed and drained.
   * Cancel: no item is lost.
   */
  next(): Operation<IteratorResult<T, undefined>> {
    return new Next(this);
  }

  /** Sends without waiting. False: there is no room, nobody receives, or the channel is closed. */
  trySend(item: T): boolean {
    return !this.#closed && this.put(item);
  }

  /** Receives without waiting. `undefined`: there is no item. */
  tryReceive(): T | undefined {
    const item = this.take();
    return item === WOULD_WAIT ? undefined : (item as T);
  }

  /**
   * No more items. Sends that wait end with ERR_CHANNEL_CLOSED and have not happened; receivers get
   * what is in the buffer first. Idempotent.
   */
  close(): void {
    this.#closed = true;
    this.settle();
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
      senders: this.#senders.size,
      receivers: this.#receivers.size,
      sent: this.#sent,
      received: this.#received,
      closed: this.#closed,
    });
  }

  // ---- for the operations below ----

  /** "channel 'jobs'". @internal */
  get title(): string {
    return titled('channel', this.name);
  }

  /** One try to send into a channel that is open. @internal */
  put(item: T): boolean {
    if (this.#senders.size > 0 || (this.#buffer.length > 0 && this.#receivers.size > 0)) {
      this.settle();
    }
    if (this.#buffer.length === 0) {
      const receiver = firstWaiter(this.#receivers);
      if (receiver !== null) {
        this.#sent++;
        this.#deliver(receiver, item);
        return true;
      }
    }
    if (this.#buffer.length >= this.capacity) return false;
    this.#sent++;
    this.#buffer.push(item);
    return true;
  }

  /** One try to receive. @internal */
  take(): T | typeof WOULD_WAIT {
    if (this.#receivers.size > 0) this.settle();
    if (this.#buffer.length > 0) {
      const item = this.#buffer.shift();
      this.#received++;
      this.#refill();
      return item;
    }
    const sender = this.#closed ? null : firstWaiter(this.#senders);
    if (sender === null) return WOULD_WAIT;
    this.#received++;
    return this.#takeFrom(sender);
  }

  /** @internal */
  enlistSender(place: Waiter): void {
    this.#senders.push(place);
  }

  /** @internal */
  enlistReceiver(place: Waiter): void {
    this.#receivers.push(place);
  }

  /** Serves those who can be served, in order. After `close` it ends the others. @internal */
  settle(): void {
    let served = true;
    while (served) served = this.#serveOne();
    if (!this.#closed) return;
    failAll(this.#senders, () => this.closedError());
    for (let at = firstWaiter(this.#receivers); at !== null; at = firstWaiter(this.#receivers)) {
      (at.request as ReceiveOperation<T, unknown>).endAt(at);
    }
  }

  /** @internal */
  closedError(): ChannelClosedError {
    return new ChannelClosedError(this.title);
  }

  #serveOne(): boolean {
    const receiver = firstWaiter(this.#receivers);
    if (receiver !== null && this.#buffer.length > 0) {
      this.#deliver(receiver, this.#buffer.shift());
      return true;
    }
    const sender = this.#closed ? null : firstWaiter(this.#senders);
    if (sender === null) return false;
    if (this.#buffer.length < this.capacity) {
      this.#buffer.push(this.#takeFrom(sender));
      return true;
    }
    return receiver !== null && this.#pair(sender, receiver);
  }

  /** Capacity 0: the foremost two, unless they are one task; then the next best pair. */
  #pair(sender: Waiter, receiver: Waiter): boolean {
    const other = firstWaiterExcept(this.#receivers, sender.task);
    if (other !== null) {
      this.#deliver(other, this.#takeFrom(sender));
      return true;
    }
    const another = firstWaiterExcept(this.#senders, receiver.task);
    if (another === null) return false;
    this.#deliver(receiver, this.#takeFrom(another));
    return true;
  }

  /** A slot has become free. */
  #refill(): void {
    const sender = this.#closed ? null : firstWaiter(this.#senders);
    if (sender !== null) this.#buffer.push(this.#takeFrom(sender));
  }

  /** The send at `sender` takes effect: gives its item. */
  #takeFrom(sender: Waiter): T {
    const { item } = sender.request as Send<T>;
    this.#sent++;
    sender.wake();
    return item;
  }

  /** The receive at `receiver` takes effect. */
  #deliver(receiver: Waiter, item: T): void {
    this.#received++;
    receiver.wake((receiver.request as ReceiveOperation<T, unknown>).wrap(item));
  }
}

class Send<T> extends WaitingOperation<void> {
  readonly #channel: Channel<T>;
  readonly item: T;

  constructor(channel: Channel<T>, item: T) {
    super();
    this.#channel = channel;
    this.item = item;
  }

  attempt(): undefined | typeof WOULD_WAIT {
    if (this.#channel.closed) throw this.#channel.closedError();
    return this.#channel.put(this.item) ? undefined : WOULD_WAIT;
  }

  enlist(place: Waiter): void {
    this.#channel.enlistSender(place);
  }

  settle(): void {
    this.#channel.settle();
  }

  override describe(): string {
    return `send to ${this.#channel.title}`;
  }
}

/** What `receive` and `next` share: they take an item and differ in how they tell it. */
abstract class ReceiveOperation<T, R> extends WaitingOperation<R> {
  protected readonly channel: Channel<T>;

  constructor(channel: Channel<T>) {
    super();
    this.channel = channel;
  }

  /** An item, as the task gets it. */
  abstract wrap(item: T): R;

  /** The end, as a task gets it that has not waited. */
  protected abstract end(): R;

  /** The end, as the task gets it that waits at `place`. */
  abstract endAt(place: Waiter): void;

  attempt(): R | typeof WOULD_WAIT {
    const item = this.channel.take();
    if (item !== WOULD_WAIT) return this.wrap(item as T);
    return this.channel.closed ? this.end() : WOULD_WAIT;
  }

  enlist(place: Waiter): void {
    this.channel.enlistReceiver(place);
  }

  settle(): void {
    this.channel.settle();
  }

  override describe(): string {
    return `receive from ${this.channel.title}`;
  }
}

class Receive<T> extends ReceiveOperation<T, T> {
  wrap(item: T): T {
    return item;
  }

  protected end(): never {
    throw this.channel.closedError();
  }

  endAt(place: Waiter): void {
    place.fail(this.channel.closedError());
  }
}

class Next<T> extends ReceiveOperation<T, IteratorResult<T, undefined>> {
  wrap(item: T): IteratorResult<T, undefined> {
    return { done: false, value: item };
  }

  protected end(): IteratorResult<T, undefined> {
    return { done: true, value: undefined };
  }

  endAt(place: Waiter): void {
    place.wake(this.end());
  }
}
