/**
 * One handler for each reason to wait: where a task that has yielded is registered, and how its
 * wait is aborted.
 *
 *   recv, send   the waiter field of the resource, one for each direction
 *   sleep        the timers
 *   park         the parking
 *   (none)       the tail of the run queue
 *
 * A wait is settled once: by the object where it is registered (readiness, a wake-up, an error, the
 * time), or by `abortWait` (a cancellation). Each removes the registration first.
 */
import { checkDuration } from '../support/checks.ts';
import { deadlockOfWait } from './deadlock.ts';
import { busy, unknownReason } from './diagnostics.ts';
import type { Wait } from './operation.ts';
import { Parking } from './parking.ts';
import type { Pollable } from './readiness.ts';
import { Readiness } from './readiness.ts';
import type { Scheduler } from './scheduler.ts';
import type { TaskImpl } from './task/task.ts';
import { Timer } from './timers.ts';

/** Registers `task` by the reason that it has yielded. */
export function dispatchWait(scheduler: Scheduler, task: TaskImpl, wait: Wait): void {
  task.wait = wait;
  task.waitsSince = scheduler.readingMs;
  if (task.scope.cancelledBy !== null && cancelsAtOnce(wait))
    return scheduler.deliverCancellationLater(task);
  if (wait === undefined) return onPause(scheduler, task);
  switch (wait?.[0]) {
    case 'recv':
      return onRecv(scheduler, task, wait[1]);
    case 'send':
      return onSend(scheduler, task, wait[1]);
    case 'sleep':
      return onSleep(scheduler, task, wait[1]);
    case 'park':
      return onPark(scheduler, task, wait[1]);
    default:
      return throwUnknownReason(scheduler, task);
  }
}

/**
 * In a cancelled scope every wait throws Cancelled. There are two exceptions: a parking that was
 * woken before, and the kernel's own wait for the members of a group. A parking is withdrawn at
 * once, so that it is not woken later.
 */
function cancelsAtOnce(wait: Wait): boolean {
  if (wait?.[0] !== 'park' || !(wait[1] instanceof Parking)) return true;
  const parking = wait[1];
  if (!parking.cancellable || parking.wokenEarly) return false;
  if (parking.waiter === null) parking.withdraw();
  return true;
}

function onPause(scheduler: Scheduler, task: TaskImpl): void {
  task.resume = 'pause';
  scheduler.ready(task);
}

function onRecv(scheduler: Scheduler, task: TaskImpl, pollable: Pollable): void {
  const readiness = pollable?.readiness;
  if (!(readiness instanceof Readiness)) return throwUnknownReason(scheduler, task);
  if (readiness.recvWaiter !== null)
    return scheduler.throwLater(task, busy(task, 'recv', readiness));
  if (readiness.canRecv) return scheduler.ready(task);
  readiness.recvWaiter = task;
  task.state = 'waiting';
  scheduler.externalWaits++;
}

function onSend(scheduler: Scheduler, task: TaskImpl, pollable: Pollable): void {
  const readiness = pollable?.readiness;
  if (!(readiness instanceof Readiness)) return throwUnknownReason(scheduler, task);
  if (readiness.sendWaiter !== null) readiness.finishSend();
  if (readiness.sendWaiter !== null)
    return scheduler.throwLater(task, busy(task, 'send', readiness));
  if (readiness.canSend) return scheduler.ready(task);
  readiness.sendWaiter = task;
  task.state = 'waiting';
  scheduler.externalWaits++;
}

function onSleep(scheduler: Scheduler, task: TaskImpl, ms: number): void {
  try {
    checkDuration('ms', ms);
  } catch (error) {
    return scheduler.throwLater(task, error);
  }
  if (ms === 0) return onPause(scheduler, task);
  task.state = 'waiting';
  if (ms === Infinity) {
    // Only a cancellation can end this sleep, so it counts as an external wait.
    scheduler.externalWaits++;
    return;
  }
  task.timer ??= new Timer(task);
  scheduler.arm(task.timer, scheduler.now() + ms);
}

function onPark(scheduler: Scheduler, task: TaskImpl, parking: Parking): void {
  if (!(parking instanceof Parking)) return throwUnknownReason(scheduler, task);
  if (parking.waiter !== null) return scheduler.throwLater(task, busy(task, 'park', parking));
  task.state = 'waiting';
  if (parking.external) countParking(scheduler, parking, 1);
  if (parking.deliverEarly(task)) return;
  parking.waiter = task;
  if (parking.holder() !== null) scheduler.holdersAreTracked = false;
  const deadlock = deadlockOfWait(task, parking);
  if (deadlock !== null) rejectPark(task, parking, deadlock);
}

function rejectPark(task: TaskImpl, parking: Parking, error: unknown): void {
  task.state = 'ready'; // as in abortWait
  parking.withdraw();
  task.reject(error);
}

function throwUnknownReason(scheduler: Scheduler, task: TaskImpl): void {
  scheduler.throwLater(task, unknownReason(task, task.wait), 'unknown-reason');
}

/** Ends the wait of `task`. Returns false if a cancellation does not end a wait of this kind. */
export function abortWait(scheduler: Scheduler, task: TaskImpl): boolean {
  const wait = task.wait as Exclude<Wait, undefined>;
  switch (wait[0]) {
    case 'recv':
      wait[1].readiness.recvWaiter = null;
      break;
    case 'send':
      wait[1].readiness.sendWaiter = null;
      break;
    case 'sleep':
      if (task.timer !== null) scheduler.disarm(task.timer);
      break;
    case 'park':
      if (!wait[1].cancellable) return false;
      // The task no longer waits: `onWithdrawn` may cancel a scope around this one.
      task.state = 'ready';
      wait[1].withdraw();
  }
  uncountWait(task);
  return true;
}

/** Undoes the counting of `dispatchWait`. The registration is already removed. */
export function uncountWait(task: TaskImpl): void {
  const wait = task.wait;
  if (wait === undefined) return;
  if (wait[0] === 'sleep' && wait[1] !== Infinity) return;
  if (wait[0] !== 'park') task.scheduler.externalWaits--;
  else if (wait[1].external) countParking(task.scheduler, wait[1], -1);
}

function countParking(scheduler: Scheduler, parking: Parking, change: 1 | -1): void {
  scheduler.externalWaits += change;
  if (parking.realTime) scheduler.realTimeWaits += change;
}
