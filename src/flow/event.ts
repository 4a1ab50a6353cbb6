/** Event: a flag that tasks can wait for. */

import type { Selectable, Waiter } from '../kernel/case.ts';
import { WOULD_WAIT } from '../kernel/case.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import { checkName, titled } from '../support/checks.ts';
import { WaitingOperation, wakeAll } from './wait-queue.ts';

/** The state of an event. */
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
 * ready.set();         // in another task: resumes all of them
 */
export class Event {
  readonly name: string;
  /** @internal */
  readonly waiters: ParkingQueue<Waiter> = new ParkingQueue();
  #isSet = false;

  constructor(name = '') {
    checkName(name);
    this.name = name;
  }

  get isSet(): boolean {
    return this.#isSet;
  }

  /** Sets the flag and wakes all waiting tasks, even if `clear` follows at once. */
  set(): void {
    this.#isSet = true;
    wakeAll(this.waiters);
  }

  /** Clears the flag. Later calls of `wait` wait again. */
  clear(): void {
    this.#isSet = false;
  }

  /**
   * Waits until the flag is set.
   * Cancel: only the wait ends.
   */
  wait(): Selectable<void> {
    return new EventWait(this);
  }

  stats(): EventStats {
    const { name, isSet } = this;
    return Object.freeze({ name, isSet, waiters: this.waiters.size });
  }
}

class EventWait extends WaitingOperation<void> {
  readonly #event: Event;

  constructor(event: Event) {
    super(event.waiters);
    this.#event = event;
  }

  attempt(): undefined | typeof WOULD_WAIT {
    return this.#event.isSet ? undefined : WOULD_WAIT;
  }

  override describe(): string {
    return titled('event', this.#event.name);
  }
}
