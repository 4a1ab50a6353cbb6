/** Notifier: wakes the tasks that wait for a change of shared state (a condition variable). */
import type { Wait } from '../kernel/operation.ts';
import { Parking, ParkingQueue } from '../kernel/parking.ts';
import { park } from '../kernel/waits.ts';

export class Notifier {
  readonly #waiters = new ParkingQueue();
  readonly #external: boolean;

  /** `external`: changes come from outside the program, so waiting for one is not a deadlock. */
  constructor(external: boolean) {
    this.#external = external;
  }

  /** Wakes every waiter. May be called from anywhere, also outside of tasks. */
  notify(): void {
    for (let left = this.#waiters.size; left > 0; left--) this.#waiters.first?.wake();
  }

  /** Waits for the next notification. `what` is shown in diagnostics. Cancel: no effect. */
  *wait(what: string): Generator<Wait, void> {
    const waiter = new NotifierWaiter(what, this.#external);
    this.#waiters.push(waiter);
    yield* park(waiter);
  }

  /** Waits until `holds()` is true; it is evaluated now and after every notification. */
  *waitUntil(what: string, holds: () => boolean): Generator<Wait, void> {
    while (!holds()) yield* this.wait(what);
  }
}

class NotifierWaiter extends Parking {
  readonly #what: string;
  readonly #external: boolean;

  constructor(what: string, external: boolean) {
    super();
    this.#what = what;
    this.#external = external;
  }

  override get external(): boolean {
    return this.#external;
  }

  override describe(): string {
    return this.#what;
  }
}
