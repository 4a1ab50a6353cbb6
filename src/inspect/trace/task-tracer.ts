/** Hooks that write the tasks of running programs as trace events. */
import { current } from '../../kernel/current.ts';
import { describeWait } from '../../kernel/diagnostics.ts';
import type { Hooks } from '../../kernel/hooks.ts';
import type { Wait } from '../../kernel/operation.ts';
import type { Scheduler } from '../../kernel/scheduler.ts';
import type { Task, TaskImpl } from '../../kernel/task/task.ts';
import type { TaskTrack, WakeSource } from './task-tracks.ts';
import { TaskTracks } from './task-tracks.ts';
import type { TraceSink } from './trace-events.ts';
import { TraceEvents } from './trace-events.ts';

/** Observes all programs that run with its hooks: each is a process of the trace. */
export class TaskTracer implements Hooks {
  readonly #tracks: TaskTracks;
  readonly #tasks = new WeakMap<object, TaskTrack>();
  readonly #processes = new WeakMap<Scheduler, number>();
  #lastPid = 0;
  /** The clock at the first event. */
  #origin: number | null = null;
  #last = 0;
  /** The task that has ended last. */
  #finished: TaskImpl | null = null;

  constructor(sink: TraceSink, maxEvents: number) {
    this.#tracks = new TaskTracks(new TraceEvents(sink, maxEvents));
  }

  /** Ends the trace: writes the waits that have not ended. */
  end(): void {
    this.#tracks.end(this.#last);
  }

  taskSpawned(task: Task<unknown>): void {
    this.#trackOf(task);
  }

  stepBegins(task: Task<unknown>): void {
    this.#tracks.stepBegins(this.#trackOf(task), this.#now(task));
  }

  stepEnds(task: Task<unknown>): void {
    this.#tracks.stepEnds(this.#trackOf(task), this.#now(task));
  }

  taskWaits(task: Task<unknown>, wait: Wait): void {
    this.#tracks.waits(this.#trackOf(task), waitText(wait));
  }

  taskWakes(task: Task<unknown>): void {
    const track = this.#trackOf(task);
    // A bare yield is not a wait.
    if (track.wait === '') return;
    const waker = wakerOf(task as TaskImpl, this.#finished);
    // The waker may belong to a program that is not traced.
    const by = waker === null ? sourceOf(task as TaskImpl) : (this.#tasks.get(waker) ?? 'other');
    this.#tracks.wakes(track, this.#now(task), by);
  }

  taskCancelled(task: Task<unknown>): void {
    this.#tracks.cancelled(this.#trackOf(task), this.#now(task));
  }

  taskFinished(task: Task<unknown>): void {
    this.#finished = task as TaskImpl;
    this.#tracks.finished(this.#trackOf(task), this.#now(task), task.state);
  }

  /** Nanoseconds since the first event. */
  #now(task: Task<unknown>): number {
    const now = (task as TaskImpl).scheduler.host.now();
    this.#origin ??= now;
    this.#last = Math.max(this.#last, Math.round((now - this.#origin) * 1e6));
    return this.#last;
  }

  #trackOf(task: Task<unknown>): TaskTrack {
    const known = this.#tasks.get(task);
    if (known !== undefined) return known;
    const { scheduler, id, name } = task as TaskImpl;
    const pid = this.#pidOf(scheduler, name);
    const by = current.task === null ? undefined : this.#tasks.get(current.task);
    const track = this.#tracks.spawned({ pid, id, name }, this.#now(task), by ?? null);
    this.#tasks.set(task, track);
    return track;
  }

  /** The first task of a program is its main task, which names it. */
  #pidOf(scheduler: Scheduler, name: string): number {
    const known = this.#processes.get(scheduler);
    if (known !== undefined) return known;
    const pid = ++this.#lastPid;
    this.#processes.set(scheduler, pid);
    this.#tracks.addProcess(pid, name);
    return pid;
  }
}

/**
 * The task that wakes `task`: the running one, or the one that has just finished, if `task` waits
 * for it. Null: none.
 */
export function wakerOf(task: TaskImpl, finished: TaskImpl | null): TaskImpl | null {
  if (current.task !== null || finished === null) return current.task;
  const isAwaited = finished.parent === task || finished.joiners?.first != null;
  return isAwaited && task.wait?.[0] === 'park' ? finished : null;
}

/** A wait that was cut by a cancellation or an error has left the state 'waiting' already. */
export function sourceOf({ wait, state }: TaskImpl): WakeSource {
  if (state !== 'waiting' || wait === undefined) return 'other';
  if (wait[0] === 'recv' || wait[0] === 'send') return 'network';
  return wait[0] === 'sleep' ? 'timer' : 'other';
}

/** A description may throw: programs write it. */
function waitText(wait: Wait): string {
  try {
    return describeWait(wait);
  } catch {
    return 'wait';
  }
}
