/** The time that the steps of tasks take, while someone observes it. */
import type { StepObserver } from '../kernel/hooks.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { patternOf, safeText } from './text.ts';

/** A step that takes longer holds up other tasks: the next steps of its kind are announced. */
const LONG_MS = 20;
/**
 * Announcements for each millisecond of a long step. One takes about 10 µs, so they take less than
 * a tenth of the time of the long steps, also if nearly all steps of the kind are short.
 */
const ANNOUNCEMENTS_PER_MS = 10;
/** Kinds of tasks that are announced. */
const MAX_KINDS = 32;
const MAX_SLOWEST = 10;

/** The time that a task has run since the observation began, or in one step. */
export interface TaskTime {
  readonly id: number;
  readonly name: string;
  readonly runMs: number;
}

/** Observes the steps of one program. Its memory is bounded by the number of unfinished tasks. */
export class StepTimes implements StepObserver {
  readonly #runMs = new Map<TaskImpl, number>();
  /** The announcements that are left for each kind of task, by the pattern of its name. */
  readonly #announcements = new Map<string, number>();
  readonly #announce: (step: Omit<TaskTime, 'runMs'>) => void;
  /** The longest step so far. */
  longest: TaskTime | undefined;

  /** `announce` is called before steps of tasks whose kind had a long step before. */
  constructor(announce: (step: Omit<TaskTime, 'runMs'>) => void = () => {}) {
    this.#announce = announce;
  }

  stepBegins(task: TaskImpl): void {
    if (this.#announcements.size === 0) return;
    const name = safeText(() => task.name);
    const kind = patternOf(name);
    const left = this.#announcements.get(kind);
    if (left === undefined) return;
    if (left > 1) this.#announcements.set(kind, left - 1);
    else this.#announcements.delete(kind);
    this.#announce({ id: task.id, name });
  }

  stepEnded(task: TaskImpl, tookMs: number): void {
    if (tookMs > LONG_MS) this.#noteLong(task, tookMs);
    else if (tookMs > (this.longest?.runMs ?? 0)) this.longest = timeOf(task, tookMs);
    this.#runMs.set(task, (this.#runMs.get(task) ?? 0) + tookMs);
    if (this.#runMs.size > 2 * task.scheduler.live + MAX_KINDS) this.#forgetFinished();
  }

  /** The unfinished tasks that ran longest, the longest first. */
  slowest(): readonly TaskTime[] {
    this.#forgetFinished();
    const times = [...this.#runMs].sort(([, a], [, b]) => b - a).slice(0, MAX_SLOWEST);
    return times.map(([task, runMs]) => timeOf(task, runMs));
  }

  #noteLong(task: TaskImpl, tookMs: number): void {
    const time = timeOf(task, tookMs);
    if (tookMs > (this.longest?.runMs ?? 0)) this.longest = time;
    const kind = patternOf(time.name);
    const left = this.#announcements.get(kind);
    if (left === undefined && this.#announcements.size >= MAX_KINDS) return;
    this.#announcements.set(kind, (left ?? 0) + Math.ceil(tookMs * ANNOUNCEMENTS_PER_MS));
  }

  #forgetFinished(): void {
    for (const task of this.#runMs.keys()) if (task.finished) this.#runMs.delete(task);
  }
}

function timeOf(task: TaskImpl, runMs: number): TaskTime {
  return { id: task.id, name: safeText(() => task.name), runMs };
}
