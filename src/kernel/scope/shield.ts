/** Shields: regions that a cancellation does not reach, for a limited time. */
import { checkDuration, checkKeys, msText } from '../../support/checks.ts';
import { ShieldExpiredError } from '../errors.ts';
import type { Operation, OperationSource, Wait } from '../operation.ts';
import { checkSource, operationOf } from '../operation.ts';
import type { TaskImpl } from '../task/task.ts';
import { mustPauseFirst, pauseBefore } from '../waits.ts';
import { countShield } from './forced-end.ts';
import type { ScopeImpl } from './scope.ts';
import { propagateCancellation } from './scope.ts';
import { LimitScope, ScopedOperation } from './with-scope.ts';

/**
 * Runs `op` although an enclosing scope is cancelled, for cleanup that must wait. `close()` never
 * waits and needs no shield.
 *
 * The time limit `withinMs` (milliseconds, default 5000) begins at the later of two moments: the
 * entry, and the first cancellation of an enclosing scope. Without a cancellation the shield does
 * not expire. After it has expired, the operation in progress and all later ones throw the
 * Cancelled of the enclosing scope, and the hook `onUnhandled` receives ERR_SHIELD_EXPIRED. In
 * nested shields the earliest limit applies. A task that enters a thousand shields in a cancelled
 * scope without another operation in between gets Cancelled at the next one: it is a loop.
 *
 * Cancel: cancellations of enclosing scopes are delayed as described. Scopes opened inside are not
 * affected.
 *
 * @example
 * try {
 *   yield* session(socket);
 * } finally {
 *   yield* shield(() => socket.sendAll(FIN), { withinMs: 1000 });
 * }
 */
export function shield<T>(
  op: OperationSource<T>,
  options: { readonly withinMs?: number } = {},
): Operation<T> {
  checkSource(op);
  checkKeys('options', options, { withinMs: true });
  const { withinMs = 5000 } = options;
  checkDuration('withinMs', withinMs);
  return new ShieldOperation(op, withinMs);
}

class ShieldOperation<T> extends ScopedOperation<T> {
  private readonly withinMs: number;

  constructor(op: OperationSource<T>, withinMs: number) {
    super(op);
    this.withinMs = withinMs;
  }

  /** The checkpoint is inside the shield. Only a loop of shields is interrupted before one. */
  protected override mustPauseBefore(task: TaskImpl): boolean {
    const { cancelledBy } = task.scope;
    return cancelledBy !== null && countShield(task, cancelledBy);
  }

  protected createScope(task: TaskImpl): ScopeImpl {
    return new ShieldScope(task, task.scope, this.withinMs);
  }

  protected override createOperation({ task }: ScopeImpl): Operation<T> {
    return mustPauseFirst(task) ? afterPause(this.source) : operationOf(this.source);
  }

  /** Never called: `currentScope()` does not return a shield's scope, so it is not cancelled. */
  protected resultWhenCancelled(scope: ScopeImpl): T {
    throw scope.cancellation;
  }

  protected override onLeave(task: TaskImpl): void {
    task.restartDeliveryTime();
  }
}

function* afterPause<T>(source: OperationSource<T>): Generator<Wait, T> {
  yield* pauseBefore(source);
  return yield* operationOf(source);
}

class ShieldScope extends LimitScope {
  private readonly withinMs: number;
  private expired = false;

  constructor(task: TaskImpl, parent: ScopeImpl, withinMs: number) {
    super(task, parent, 'shield');
    this.withinMs = withinMs;
    this.expired = isInsideExpired(parent);
    if (this.expired) return;
    this.cancelledBy = null;
    if (cancelledAround(this) !== null) this.startLimit();
  }

  override get shielding(): boolean {
    return !this.expired;
  }

  override startLimit(): void {
    if (this.limitTimer === null) this.begin(this.scheduler.now() + this.withinMs, this.withinMs);
  }

  override stopShielding(): void {
    this.expired = true;
  }

  /** The limit has passed. */
  override expire(): void {
    const source = cancelledAround(this);
    if (source === null || this.expired) return;
    this.scheduler.unhandled(shieldExpired(this.task, this.withinMs));
    this.task.restartDeliveryTime();
    propagateCancellation(this, source, true);
  }
}

function shieldExpired(task: TaskImpl, withinMs: number): ShieldExpiredError {
  const activity = task.waitingOn === '' ? 'computing' : `waiting for ${task.waitingOn}`;
  const limit = msText(withinMs);
  const text = `A shield of task '${task.name}' did not end within ${limit}, ${activity}`;
  return new ShieldExpiredError('ERR_SHIELD_EXPIRED', text);
}

/** True if a shield around `scope` has expired: its limit was the earlier one. */
function isInsideExpired(scope: ScopeImpl | null): boolean {
  for (let at = scope; at !== null; at = at.parent) {
    if (at instanceof ShieldScope && !at.shielding) return true;
  }
  return false;
}

/** The outermost cancelled scope around `shield`, even if other shields lie in between. */
function cancelledAround(shield: ScopeImpl): ScopeImpl | null {
  let found: ScopeImpl | null = null;
  for (let scope = shield.parent; scope !== null; scope = scope.parent) {
    found = scope.cancelledBy ?? found;
  }
  return found;
}
