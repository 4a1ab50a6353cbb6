/** The soft stop of a scope: `stop()` cancels nothing; it ends the waits of `waitStopping()`. */
import { graceOver } from '../diagnostics.ts';
import type { Operation, Wait } from '../operation.ts';
import { Lazy } from '../operation.ts';
import { Parking, ParkingQueue } from '../parking.ts';
import type { TimerTarget } from '../timers.ts';
import { Timer } from '../timers.ts';
import { checkpoint, park } from '../waits.ts';
import type { ScopeImpl } from './scope.ts';

/** The stop state of a scope. Created at the first call of `stop()` or `waitStopping()`. */
export class StopState implements TimerTarget {
  readonly #scope: ScopeImpl;
  /** The tasks in `waitStopping()`. */
  readonly waiters: ParkingQueue = new ParkingQueue();
  /** True after `stop()` was called on this scope itself. */
  requested = false;
  #timer: Timer | null = null;
  #graceMs = 0;

  constructor(scope: ScopeImpl) {
    this.#scope = scope;
  }

  /** A second call can only shorten the grace period. */
  request(graceMs: number | undefined): void {
    this.requested = true;
    if (graceMs === undefined) return;
    const { scheduler } = this.#scope;
    const at = scheduler.now() + graceMs;
    if (this.#timer?.armed && this.#timer.at <= at) return;
    this.#graceMs = graceMs;
    this.#timer ??= new Timer(this);
    scheduler.arm(this.#timer, at);
  }

  /** The grace period is over. */
  expire(): void {
    this.#scope.cancel(graceOver(this.#scope, this.#graceMs));
  }

  wakeAll(): void {
    while (this.waiters.first !== null) this.waiters.first.wake();
  }

  end(): void {
    if (this.#timer !== null) this.#scope.scheduler.disarm(this.#timer);
  }
}

/** The implementation of `Scope.waitStopping`. */
export function waitStopping(scope: ScopeImpl): Operation<void> {
  return new Lazy(() => untilStopping(scope));
}

function* untilStopping(scope: ScopeImpl): Generator<Wait, void> {
  yield* checkpoint();
  if (scope.stopping) return;
  // Most stops come from outside the program, for example from a signal.
  const parking = new Parking('stopping', { external: true });
  scope.stopState.waiters.push(parking);
  yield* park(parking);
}
