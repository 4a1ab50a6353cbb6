/** Bell: wakes tasks when something has changed outside of the program. */
import type { Wait } from '../kernel/operation.ts';
import { Parking, ParkingQueue } from '../kernel/parking.ts';
import { park } from '../kernel/waits.ts';

/** May be rung from anywhere, also from outside of tasks. */
export class Bell {
  readonly #waiting = new ParkingQueue();

  /** Whoever waits looks again. */
  ring(): void {
    for (let left = this.#waiting.size; left > 0; left--) this.#waiting.first?.wake();
  }

  /** Returns once `holds()`, which is asked now and whenever the bell has rung. */
  *until(what: string, holds: () => boolean): Generator<Wait, void> {
    while (!holds()) {
      const place = new BellPlace(what);
      this.#waiting.push(place);
      yield* park(place);
    }
  }
}

class BellPlace extends Parking {
  readonly #what: string;

  constructor(what: string) {
    super();
    this.#what = what;
  }

  /** Processes end, and signals come, from outside. */
  override get outside(): boolean {
    return true;
  }

  override describe(): string {
    return this.#what;
  }
}
