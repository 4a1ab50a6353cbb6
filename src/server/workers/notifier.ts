/** Bell: wakes tasks when something has changed outside of the program. */
import type { Wait } from '../../kernel/operation.ts';
import { Parking, ParkingQueue } from '../../kernel/parking.ts';
import { park } from '../../kernel/waits.ts';

/** May be rung from anywhere, also from outside of tasks. */
export class Notifier {
  readonly #waiters = new ParkingQueue();

  /** Whoever waits looks again. */
  notify(): void {
    for (let left = this.#waiters.size; left > 0; left--) this.#waiters.first?.wake();
  }

  /** Returns once `holds()`, which is asked now and whenever the bell has rung. */
  *waitUntil(what: string, holds: () => boolean): Generator<Wait, void> {
    while (!holds()) {
      // Processes end, and signals arrive, outside the program.
      const place = new Parking(what, { external: true });
      this.#waiters.push(place);
      yield* park(place);
    }
  }
}
