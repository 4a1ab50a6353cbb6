/**
 * One handler for each reason: where a task that has yielded is filed, and how a wait is taken
 * back.
 *
 *   recv, send   the waiting place of the resource, one for each direction
 *   sleep        the timers
 *   park         the parking
 *   (none)       the tail of the run queue
 *
 * A wait is settled by exactly one of: the place it was filed in (a grant, a wake-up, an error, the
 * time), or `abortWait` (a cancellation). Both empty the place first, so the other finds nothing.
 */
import { checkDuration } from '../support/checks.ts';
import { busy, unknownReason } from './diagnostics.ts';
import type { Wait } from './operation.ts';
import { Parking } from './parking.ts';
import type { Pollable } from './readiness.ts';
import { Readiness } from './readiness.ts';
import type { Scheduler } from './scheduler.ts';
import type { TaskImpl } from './task/task.ts';
import { Timer } from './timers.ts';

/** Files `task` by the reason that it has yielded. */
export function dispatchWait(scheduler: Scheduler, task: TaskImpl, wait: Wait): void {
  task.wait = wait;
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
      return scheduler.throwLater(task, unknownReason(task, wait));
  }
}

/**
 * In a cancelled scope every wait is refused, whatever it is for. A parking is left at once, so
 * that nobody wakes it any more; one that was woken already wins, and one that is the kernel's own
 * is not for cancellations to end.
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
  const place = pollable?.readiness;
  if (!(place instanceof Readiness)) return throwUnknownReason(scheduler, task);
  if (place.recvWaiter !== null) return scheduler.throwLater(task, busy(task, 'recv', place));
  if (place.canRecv) return scheduler.ready(task);
  place.recvWaiter = task;
  task.state = 'waiting';
  scheduler.externalWaits++;
}

function onSend(scheduler: Scheduler, task: TaskImpl, pollable: Pollable): void {
  const place = pollable?.readiness;
  if (!(place instanceof Readiness)) return throwUnknownReason(scheduler, task);
  if (place.sendWaiter !== null) return scheduler.throwLater(task, busy(task, 'send', place));
  if (place.canSend) return scheduler.ready(task);
  place.sendWaiter = task;
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
    // Nothing inside will ever end it: it counts as a wait for somebody outside.
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
  if (parking.holder() !== null) scheduler.checkCycle(task);
}

function throwUnknownReason(scheduler: Scheduler, task: TaskImpl): void {
  scheduler.throwLater(task, unknownReason(task, task.wait));
}

/** Takes the waiting `task` out of its place. False: it waits where cancellations do not reach. */
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
      // Not waiting any more: what `onWithdrawn` does may cancel a scope around this one.
      task.state = 'ready';
      wait[1].withdraw();
  }
  uncountWait(task);
  return true;
}

/** Takes back what filing a wait has counted. Its place is empty already. */
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
