/**
 * Places: what stands in the queues of channels, locks and the rest. A place is granted with `wake`
 * or refused with `fail`, by the task that makes it possible, in that task's step.
 *
 * Two kinds of places exist, and the queues need not know which one they hold: an operation that
 * waits by itself (waiting.ts), and the arm of a `select` (select.ts), whose grant decides the
 * select.
 *
 * Invariants:
 *  1. A place is in at most one queue, and leaves it before its task hears of the grant.
 *  2. A place that has lapsed is never granted. `foremost` takes such places out.
 *  3. A task that must pause before it tries stands in line meanwhile, so nobody overtakes it. That
 *     is the only time in which a place can be both in line and grantable. Whoever tries, and the
 *     task itself when it resumes, calls `settle` first, which grants in the order of the line. So
 *     nobody ever parks behind a place that could be granted, and leaving a line needs no `settle`.
 */
import type { ParkingQueue } from '../kernel/parking.ts';
import { Parking } from '../kernel/parking.ts';
import type { TaskRecord } from '../kernel/task.ts';
import type { Choice } from './selectable.ts';

export abstract class Place extends Parking {
  /** The task that stands here, while the place is in line. */
  abstract readonly task: TaskRecord;
  /** What it stands here for. */
  abstract readonly request: Choice<unknown>;
  /** True: its task was cancelled before a grant, or has got something else: pass it over. */
  abstract readonly lapsed: boolean;
}

/** The first place of `line` that can be granted, or null. It stays in line. */
export function foremost(line: ParkingQueue<Place>): Place | null {
  let place = line.first;
  while (place?.lapsed === true) {
    line.remove(place);
    place = line.first;
  }
  return place;
}

/** As `foremost`, for a counterpart of `task`: no task can be granted what it offers itself. */
export function foremostBeside(line: ParkingQueue<Place>, task: TaskRecord): Place | null {
  let place = foremost(line) as Place | null;
  while (place !== null && (place.task === task || place.lapsed)) {
    place = place.behind as Place | null;
  }
  return place;
}

/** Refuses everybody in `line`. */
export function failAll(line: ParkingQueue<Place>, error: () => unknown): void {
  for (let place = foremost(line); place !== null; place = foremost(line)) place.fail(error());
}
