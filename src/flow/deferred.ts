/** Deferred: a result that one task provides, once, and other tasks wait for. */
import type { Selectable } from '../kernel/case.ts';
import { WOULD_WAIT } from '../kernel/case.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import { LatchWait } from '../kernel/waits.ts';
import { checkName, titled } from '../support/checks.ts';

/** The state of a deferred. */
export interface DeferredStats {
  readonly name: string;
  readonly state: 'pending' | 'resolved' | 'rejected';
  /** Tasks in `wait()`. */
  readonly waiters: number;
}

/**
 * A value or an error that is set once. Any number of tasks can wait for it, before and after. The
 * first call of `resolve` or `reject` counts. An error that no task waits for is not reported.
 *
 * @example
 * const address = new Deferred<string>('address');
 * const text = yield* address.wait(); // in any number of tasks
 * address.resolve('127.0.0.1');       // in another task
 */
export class Deferred<T> {
  readonly name: string;
  /** @internal */
  readonly waiters: ParkingQueue = new ParkingQueue();
  #state: DeferredStats['state'] = 'pending';
  #outcome: unknown = undefined;

  constructor(name = '') {
    checkName(name);
    this.name = name;
  }

  /** Sets the value and wakes all waiting tasks. Returns false, without effect, if it was set. */
  resolve(value: T): boolean {
    return this.#settle('resolved', value);
  }

  /** Sets the error, which `wait` throws. Returns false, without effect, if it was set. */
  reject(error: unknown): boolean {
    return this.#settle('rejected', error);
  }

  /**
   * Waits until the value is set and returns it. Can be a case of `select`.
   * Errors: the argument of `reject`. Cancel: only the wait ends.
   */
  wait(): Selectable<T> {
    return new DeferredWait(this);
  }

  /** True after `resolve` or `reject`. */
  get settled(): boolean {
    return this.#state !== 'pending';
  }

  stats(): DeferredStats {
    return Object.freeze({ name: this.name, state: this.#state, waiters: this.waiters.size });
  }

  /** Returns the value or throws the error. @internal */
  result(): T {
    if (this.#state === 'rejected') throw this.#outcome;
    return this.#outcome as T;
  }

  #settle(state: 'resolved' | 'rejected', outcome: unknown): boolean {
    if (this.settled) return false;
    this.#state = state;
    this.#outcome = outcome;
    while (this.waiters.first !== null) this.waiters.first.wake();
    return true;
  }
}

class DeferredWait<T> extends LatchWait<T> {
  readonly #deferred: Deferred<T>;

  constructor(deferred: Deferred<T>) {
    super();
    this.#deferred = deferred;
  }

  attempt(): T | typeof WOULD_WAIT {
    return this.#deferred.settled ? this.#deferred.result() : WOULD_WAIT;
  }

  protected queue(): ParkingQueue {
    return this.#deferred.waiters;
  }

  describe(): string {
    return titled('deferred', this.#deferred.name);
  }
}
