/** Bounds the handshakes of one turn of the event loop. */
import { setImmediate } from '../../timers.ts';

/** A step may take a millisecond (RSA). */
const MAX_STEPS = 8;

/** In a storm of new connections, established ones must get their turns. */
export class StepBudget {
  #left = MAX_STEPS;
  readonly #deferred: (() => void)[] = [];

  /** Runs `step`, which must not throw, now or in a later turn of the event loop. */
  run(step: () => void): void {
    if (this.#left === MAX_STEPS) setImmediate(() => this.#renew());
    if (this.#left === 0) return void this.#deferred.push(step);
    this.#left -= 1;
    step();
  }

  /** The steps that are deferred again keep their order. */
  #renew(): void {
    this.#left = MAX_STEPS;
    for (const step of this.#deferred.splice(0)) this.run(step);
  }
}
