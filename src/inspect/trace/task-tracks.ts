/**
 * The tracks of tasks: a process for each program, a track for each task, and on it a slice for
 * each step and each wait, an arrow from whatever woke the task, and instants. For real programs
 * hooks call it (task-tracer.ts), for simulated ones the record of the run.
 *
 *   network   ▏wake                                   arrow ─┐
 *   task 7    ▕ step ▏ recv 127.0.0.1:5000      ▏             ▕ step ▏
 */
import type { TraceEvents, Track } from './trace-events.ts';

/** Tracks of a process that are not tasks: what wakes tasks from outside. */
const SOURCES = { network: 1, timer: 2, other: 3 } as const;
const FIRST_TASK_TID = 10;

export type WakeSource = keyof typeof SOURCES;

/** A task, and what is known of it. Times are whole nanoseconds. */
export interface TaskTrack extends Track {
  readonly name: string;
  isRunning: boolean;
  stepFrom: number;
  stepTo: number;
  /** The wait since `waitFrom`; '' if there is none. */
  wait: string;
  waitFrom: number;
  /** The arrow that ends at the next step; 0 if there is none. */
  flow: number;
  flowName: string;
}

/** The smallest period in nanoseconds that is drawn for a wake-up. */
const WAKE_NS = 100;

export class TaskTracks {
  readonly events: TraceEvents;
  readonly #sourceEnds = new Map<string, number>();
  readonly #live = new Set<TaskTrack>();

  constructor(events: TraceEvents) {
    this.events = events;
  }

  /** Names a process, once. */
  addProcess(pid: number, name: string): void {
    this.events.nameProcess(pid, name);
    for (const [source, tid] of Object.entries(SOURCES)) {
      this.events.nameTrack({ pid, tid }, source === 'timer' ? 'timers' : source);
    }
  }

  /** A task was created by the running task `by`, or from outside. */
  spawned(
    task: { readonly pid: number; readonly id: number; readonly name: string },
    at: number,
    by: TaskTrack | null,
  ): TaskTrack {
    const { pid, id, name } = task;
    const place = { pid, tid: FIRST_TASK_TID + id, name };
    const step = { isRunning: false, stepFrom: at, stepTo: at };
    const track: TaskTrack = { ...place, ...step, wait: '', waitFrom: at, flow: 0, flowName: '' };
    this.#live.add(track);
    this.events.nameTrack(track, `${name} #${id}`);
    this.events.instant(track, at, 'spawn', by === null ? {} : { by: by.name });
    if (by !== null) this.#startFlow(track, by, at, 'spawn');
    return track;
  }

  stepBegins(track: TaskTrack, at: number): void {
    this.#endWait(track, at);
    track.isRunning = true;
    track.stepFrom = at;
    track.stepTo = at;
    this.#endFlow(track, at);
  }

  stepEnds(track: TaskTrack, at: number): void {
    track.isRunning = false;
    track.stepTo = at;
  }

  /** The task waits; '' is a bare yield. Follows `stepEnds`. */
  waits(track: TaskTrack, wait: string): void {
    this.#writeStep(track, wait === '' ? 'yields' : `waits for ${wait}`);
    track.wait = wait;
    track.waitFrom = track.stepTo;
  }

  finished(track: TaskTrack, at: number, state: string): void {
    this.#writeStep(track, state);
    this.events.instant(track, at, 'finish', { state });
    this.#live.delete(track);
  }

  /**
   * The wait of the task has ended. `by` is the task whose step or end has ended it, or the source;
   * a wait for the network that the network has ended is also an instant.
   */
  wakes(track: TaskTrack, at: number, by: TaskTrack | WakeSource): void {
    const kind = track.wait.split(' ', 1)[0] as string;
    this.#endWait(track, at);
    if (by === 'network') this.events.instant(track, at, kind);
    if (typeof by !== 'string') {
      return this.#startFlow(track, by, by.isRunning ? at : by.stepTo, 'wake');
    }
    const { slice, at: from } = this.sourceSlice(track.pid, by, at);
    this.events.slice(slice, from, from + WAKE_NS, { name: `wakes ${track.name}`, cat: 'wake' });
    this.#startFlow(track, slice, from, 'wake');
  }

  /** A cancellation is thrown into the task, in its step. */
  cancelled(track: TaskTrack, at: number): void {
    this.events.instant(track, at, 'cancel');
  }

  /** A free place on the track of a source, at `at` or soon after it. */
  sourceSlice(pid: number, source: WakeSource, at: number): { slice: Track; at: number } {
    const key = `${pid} ${source}`;
    const from = Math.max(at, this.#sourceEnds.get(key) ?? 0);
    this.#sourceEnds.set(key, from + WAKE_NS);
    return { slice: { pid, tid: SOURCES[source] }, at: from };
  }

  /** The end of the program or of the record: writes the waits that have not ended. */
  end(at: number, pid: number | null = null): void {
    for (const track of this.#live) {
      if (pid !== null && track.pid !== pid) continue;
      this.#endWait(track, at, { unfinished: 1 });
      this.#live.delete(track);
    }
  }

  #writeStep(track: TaskTrack, then: string): void {
    const { stepFrom, stepTo } = track;
    this.events.slice(track, stepFrom, stepTo, { name: 'step', cat: 'step', args: { then } });
  }

  #endWait(track: TaskTrack, at: number, args: { unfinished?: number } = {}): void {
    const { wait, waitFrom } = track;
    track.wait = '';
    if (wait !== '') this.events.slice(track, waitFrom, at, { name: wait, cat: 'wait', args });
  }

  #startFlow(track: TaskTrack, from: Track, at: number, name: string): void {
    track.flow = this.events.flowStart(from, at, name);
    track.flowName = name;
  }

  #endFlow(track: TaskTrack, at: number): void {
    if (track.flow !== 0) this.events.flowEnd(track, at, track.flowName, track.flow);
    track.flow = 0;
  }
}
