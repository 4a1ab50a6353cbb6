/**
 * The soft end of a scope: `stop()` cancels nothing, it asks; `waitStopping()` hears the question.
 */

import { graceOver } from '../diagnostics.ts';
import type { Operation, Wait } from '../operation.ts';
import { Lazy } from '../operation.ts';
import { Parking, ParkingQueue } from '../parking.ts';
import type { TimerTarget } from '../timers.ts';
import { Timer } from '../timers.ts';
import { checkpoint, park } from '../waits.ts';
import type { ScopeImpl } from './scope.ts';

/** What stopping needs of a scope; most scopes never have one. */
export class StopState implements TimerTarget {
  readonly #scope: ScopeImpl;
  /** The tasks in `waitStopping()`. */
  readonly waiters: ParkingQueue = new ParkingQueue();
  begun = false;
  #grace: Timer | null = null;
  #graceMs = 0;

  constructor(scope: ScopeImpl) {
    this.#scope = scope;
  }

  /** A second stop can only bring the end nearer. */
  begin(graceMs: number | undefined): void {
    this.begun = true;
    if (graceMs === undefined) return;
    const { scheduler } = this.#scope;
    const at = scheduler.now() + graceMs;
    if (this.#grace?.armed && this.#grace.at <= at) return;
    this.#graceMs = graceMs;
    this.#grace ??= new Timer(this);
    scheduler.arm(this.#grace, at);
  }

  /** The grace period is over. */
  expire(): void {
    this.#scope.cancel(graceOver(this.#scope, this.#graceMs));
  }

  wakeAll(): void {
    while (this.waiters.first !== null) this.waiters.first.wake();
  }

  end(): void {
    if (this.#grace !== null) this.#scope.scheduler.disarm(this.#grace);
  }
}

/**
 * Returns once `scope`, or one around it, was asked to stop.
 * Cancel: nothing has happened.
 */
export function waitStopping(scope: ScopeImpl): Operation<void> {
  return new Lazy(() => untilStopping(scope));
}

function* untilStopping(scope: ScopeImpl): Generator<Wait, void> {
  yield* checkpoint();
  if (scope.stopping) return;
  // The call nearly always comes from outside the program, for example from a signal.
  const place = new Parking('stopping', { external: true });
  scope.stopState.waiters.push(place);
  yield* park(place);
}
