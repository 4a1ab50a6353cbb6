/** Notifier: wakes the tasks that wait for a change of shared state (a condition variable). */
import type { Wait } from '../kernel/operation.ts';
import type { ParkingOptions } from '../kernel/parking.ts';
import { Parking, ParkingQueue } from '../kernel/parking.ts';
import { park } from '../kernel/waits.ts';

export class Notifier {
  readonly #waiters = new ParkingQueue();
  readonly #source: ParkingOptions;

  /** `source` states where changes come from; see ParkingOptions. */
  constructor(source: ParkingOptions = {}) {
    this.#source = source;
  }

  /** Wakes every waiter. May be called from anywhere, also outside of tasks. */
  notify(): void {
    for (let left = this.#waiters.size; left > 0; left--) this.#waiters.first?.wake();
  }

  /** Waits for the next notification. `what` is shown in diagnostics. Cancel: no effect. */
  *wait(what: string): Generator<Wait, void> {
    const parking = new Parking(what, this.#source);
    this.#waiters.push(parking);
    yield* park(parking);
  }

  /** Waits until `holds()` is true; it is evaluated now and after every notification. */
  *waitUntil(what: string, holds: () => boolean): Generator<Wait, void> {
    while (!holds()) yield* this.wait(what);
  }
}
