/** Shields: regions into which a cancellation does not reach, for a limited time. */
import { checkDuration } from '../../support/checks.ts';
import { ShieldExpiredError } from '../errors.ts';
import type { Operation, OperationSource } from '../operation.ts';
import { checkSource } from '../operation.ts';
import type { TaskImpl } from '../task/task.ts';
import { Timer } from '../timers.ts';
import { propagateCancellation, ScopeImpl } from './scope.ts';
import { ScopedOperation } from './with-scope.ts';

/**
 * Lets `op` use operations although an enclosing scope is cancelled: for cleanup that has to wait
 * (`finally { socket.close() }` needs none: closing never waits).
 *
 * The time limit (milliseconds, 5000 unless told) counts from the later of entry and the first
 * cancellation of an enclosing scope; without a cancellation a shield never expires. When it does,
 * the operation in progress and all later ones throw the enclosing scope's Cancelled, and the hook
 * `onUnhandled` gets ERR_SHIELD_EXPIRED. Of nested shields the earliest limit counts.
 *
 * Cancel: that of enclosing scopes is kept out as said; scopes opened inside work as usual.
 */
export function shield<T>(
  op: OperationSource<T>,
  options: { readonly withinMs?: number } = {},
): Operation<T> {
  const { withinMs = 5000 } = options;
  checkSource(op);
  checkDuration('withinMs', withinMs);
  return new ShieldOperation(op, withinMs);
}

class ShieldOperation<T> extends ScopedOperation<T> {
  private readonly withinMs: number;

  constructor(op: OperationSource<T>, withinMs: number) {
    super(op);
    this.withinMs = withinMs;
  }

  protected createScope(task: TaskImpl): ScopeImpl {
    return new ShieldScope(task, task.scope, this.withinMs);
  }

  /** Nobody can cancel a shield's own scope: `currentScope()` passes over it. */
  protected resultWhenCancelled(scope: ScopeImpl): T {
    throw scope.cancellation;
  }

  protected override onLeave(task: TaskImpl): void {
    task.restartDeliveryTime();
  }
}

class ShieldScope extends ScopeImpl {
  private readonly withinMs: number;
  private limitTimer: Timer | null = null;
  private expired = false;

  constructor(task: TaskImpl, parent: ScopeImpl, withinMs: number) {
    super(task, parent, 'shield');
    this.withinMs = withinMs;
    this.expired = isInsideExpired(parent);
    if (this.expired) return;
    this.cancelledBy = null;
    if (cancelledAround(this) !== null) this.startLimit();
  }

  override get hidden(): boolean {
    return true;
  }

  override get shielding(): boolean {
    return !this.expired;
  }

  override startLimit(): void {
    if (this.limitTimer !== null) return;
    this.limitTimer = new Timer({ expire: () => this.expireShield() });
    this.scheduler.arm(this.limitTimer, this.scheduler.now() + this.withinMs);
  }

  override stopShielding(): void {
    this.expired = true;
  }

  override end(): void {
    if (this.limitTimer !== null) this.scheduler.disarm(this.limitTimer);
    super.end();
  }

  private expireShield(): void {
    const source = cancelledAround(this);
    if (source === null || this.expired) return;
    this.scheduler.unhandled(shieldExpired(this.task, this.withinMs));
    this.task.restartDeliveryTime();
    propagateCancellation(this, source, true);
  }
}

function shieldExpired(task: TaskImpl, withinMs: number): ShieldExpiredError {
  const activity = task.waitingOn === '' ? 'computing' : `waiting for ${task.waitingOn}`;
  const text = `A shield of task '${task.name}' did not end within ${withinMs} ms, ${activity}`;
  return new ShieldExpiredError('ERR_SHIELD_EXPIRED', text);
}

/** True if a shield around has fallen: its limit was the earlier one. */
function isInsideExpired(scope: ScopeImpl | null): boolean {
  for (let at = scope; at !== null; at = at.parent) {
    if (at instanceof ShieldScope && !at.shielding) return true;
  }
  return false;
}

/** The outermost cancelled scope around a shield, seen through all other shields. */
function cancelledAround(shield: ScopeImpl): ScopeImpl | null {
  let found: ScopeImpl | null = null;
  for (let scope = shield.parent; scope !== null; scope = scope.parent) {
    found = scope.cancelledBy ?? found;
  }
  return found;
}
