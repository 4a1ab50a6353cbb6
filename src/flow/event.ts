/** Event: a flag that tasks can wait for. */
import type { Operation } from '../kernel/operation.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import { checkName, titled } from '../support/checks.ts';
import { WOULD_WAIT } from './select/case.ts';
import type { Waiter } from './wait-queue.ts';
import { firstWaiter, WaitingOperation } from './wait-queue.ts';

/** What an event has done and holds. */
export interface EventStats {
  readonly name: string;
  readonly isSet: boolean;
  /** Tasks in `wait()`. */
  readonly waiters: number;
}

/**
 * A flag that tasks can wait for.
 *
 * @example
 * const ready = new Event('ready');
 * yield* ready.wait(); // in any number of tasks
 * ready.set();         // in another one: all go on
 */
export class Event {
  readonly name: string;
  readonly #waiters = new ParkingQueue<Waiter>();
  #isSet = false;

  constructor(name = '') {
    checkName(name);
    this.name = name;
  }

  get isSet(): boolean {
    return this.#isSet;
  }

  /** Lets everybody go on who waits now, even if `clear` follows at once, or who waits later. */
  set(): void {
    this.#isSet = true;
    this.settle();
  }

  /** From now on `wait` waits again. */
  clear(): void {
    this.#isSet = false;
  }

  /** Waits until the event is set. Cancel: only the waiting ends. */
  wait(): Operation<void> {
    return new EventWait(this);
  }

  stats(): EventStats {
    const { name, isSet } = this;
    return Object.freeze({ name, isSet, waiters: this.#waiters.size });
  }

  /** @internal */
  enlist(place: Waiter): void {
    this.#waiters.push(place);
  }

  /** @internal */
  settle(): void {
    if (!this.#isSet) return;
    for (let at = firstWaiter(this.#waiters); at !== null; at = firstWaiter(this.#waiters))
      at.wake();
  }
}

class EventWait extends WaitingOperation<void> {
  readonly #event: Event;

  constructor(event: Event) {
    super();
    this.#event = event;
  }

  attempt(): undefined | typeof WOULD_WAIT {
    return this.#event.isSet ? undefined : WOULD_WAIT;
  }

  enlist(place: Waiter): void {
    this.#event.enlist(place);
  }

  settle(): void {
    this.#event.settle();
  }

  override describe(): string {
    return titled('event', this.#event.name);
  }
}
