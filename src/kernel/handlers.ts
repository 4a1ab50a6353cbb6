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
 * time), or `takeBack` (a cancellation). Both empty the place first, so the other finds nothing.
 */
import { checkDuration } from './checks.ts';
import type { Wait } from './operation.ts';
import { Parking } from './parking.ts';
import type { Pollable } from './readiness.ts';
import { Readiness } from './readiness.ts';
import { busy, unknownReason } from './report.ts';
import type { Scheduler } from './scheduler.ts';
import type { TaskRecord } from './task.ts';
import { Timer } from './timers.ts';

/** Files `task` by the reason that it has yielded. */
export function file(scheduler: Scheduler, task: TaskRecord, wait: Wait): void {
  task.wait = wait;
  if (task.scope.cancelledBy !== null && isRefused(wait)) return scheduler.refuseLater(task);
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
function isRefused(wait: Wait): boolean {
  if (wait?.[0] !== 'park' || !(wait[1] instanceof Parking)) return true;
  const parking = wait[1];
  if (!parking.cancellable || parking.wokenEarly) return false;
  if (parking.waiter === null) parking.withdraw();
  return true;
}

function onPause(scheduler: Scheduler, task: TaskRecord): void {
  task.resume = 'pause';
  scheduler.ready(task);
}

function onRecv(scheduler: Scheduler, task: TaskRecord, pollable: Pollable): void {
  const place = pollable?.readiness;
  if (!(place instanceof Readiness)) return noResource(scheduler, task);
  if (place.recvWaiter !== null) return scheduler.throwLater(task, busy(task, 'recv', place));
  if (place.canRecv) return scheduler.ready(task);
  place.recvWaiter = task;
  task.state = 'waiting';
  scheduler.outside++;
}

function onSend(scheduler: Scheduler, task: TaskRecord, pollable: Pollable): void {
  const place = pollable?.readiness;
  if (!(place instanceof Readiness)) return noResource(scheduler, task);
  if (place.sendWaiter !== null) return scheduler.throwLater(task, busy(task, 'send', place));
  if (place.canSend) return scheduler.ready(task);
  place.sendWaiter = task;
  task.state = 'waiting';
  scheduler.outside++;
}

function onSleep(scheduler: Scheduler, task: TaskRecord, ms: number): void {
  try {
    checkDuration('ms', ms);
  } catch (error) {
    return scheduler.throwLater(task, error);
  }
  if (ms === 0) return onPause(scheduler, task);
  task.state = 'waiting';
  if (ms === Infinity) {
    // Nothing inside will ever end it: it counts as a wait for somebody outside.
    scheduler.outside++;
    return;
  }
  task.timer ??= new Timer(task);
  scheduler.arm(task.timer, scheduler.now() + ms);
}

function onPark(scheduler: Scheduler, task: TaskRecord, parking: Parking): void {
  if (!(parking instanceof Parking)) return noResource(scheduler, task);
  if (parking.waiter !== null) return scheduler.throwLater(task, busy(task, 'park', parking));
  task.state = 'waiting';
  if (parking.outside) count(scheduler, parking, 1);
  if (parking.deliverEarly(task)) return;
  parking.waiter = task;
  if (parking.holder() !== null) scheduler.checkCycle(task);
}

function noResource(scheduler: Scheduler, task: TaskRecord): void {
  scheduler.throwLater(task, unknownReason(task, task.wait));
}

/** Takes the waiting `task` out of its place. False: it waits where cancellations do not reach. */
export function takeBack(scheduler: Scheduler, task: TaskRecord): boolean {
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
  letGo(task);
  return true;
}

/** Takes back what filing a wait has counted. Its place is empty already. */
export function letGo(task: TaskRecord): void {
  const wait = task.wait;
  if (wait === undefined) return;
  if (wait[0] === 'sleep' && wait[1] !== Infinity) return;
  if (wait[0] !== 'park') task.scheduler.outside--;
  else if (wait[1].outside) count(task.scheduler, wait[1], -1);
}

function count(scheduler: Scheduler, parking: Parking, change: 1 | -1): void {
  scheduler.outside += change;
  if (parking.foreign) scheduler.foreign += change;
}
