/**
 * A recorded run of a simulation as trace events: hosts are processes, tasks are tracks, messages
 * are arrows, faults are instants.
 *
 * A step takes no virtual time. So that the order of steps at one instant is visible, each event is
 * shown at least a microsecond after the one before it; `atMs` of an event is its exact time.
 */
import type { TaskTrack } from '../../inspect/trace/task-tracks.ts';
import { TaskTracks } from '../../inspect/trace/task-tracks.ts';
import type { TraceArgs, Track } from '../../inspect/trace/trace-events.ts';
import { TraceEvents } from '../../inspect/trace/trace-events.ts';
import type { RecordedEntry, Recording, StepEntry } from '../../sim/report/recording.ts';

/** The network of the hosts has a process of its own for each host. */
const NETWORK_TID = 1;
const TICK_NS = 1000;
/** Processes of a host have its number times this, plus their own number. */
const PIDS_PER_HOST = 1000;
const MAX_EVENTS = Infinity; // a recording is bounded

type Entry<T extends RecordedEntry['type']> = Extract<RecordedEntry, { type: T }>;

/** The text of the file. */
export function traceOfRun(recording: Recording): string {
  const lines: string[] = [];
  const writer = new RunTrace(recording, (event) => void lines.push(event));
  writer.write();
  return `{"traceEvents":[\n${lines.join(',\n')}\n],"displayTimeUnit":"ms"}\n`;
}

class RunTrace {
  readonly #recording: Recording;
  readonly #events: TraceEvents;
  readonly #tracks: TaskTracks;
  readonly #byTask = new Map<number, TaskTrack>();
  /** Messages in flight: the number of the arrow, and the sender. */
  readonly #flows = new Map<number, { flow: number; entry: Entry<'send'> }>();
  readonly #pids = new Set<number>();
  /** The step whose effects follow. */
  #step: { readonly track: TaskTrack; readonly entry: StepEntry } | null = null;
  /** The time of the last event in nanoseconds. */
  #now = -TICK_NS;

  constructor(recording: Recording, sink: (event: string) => void) {
    this.#recording = recording;
    this.#events = new TraceEvents(sink, MAX_EVENTS);
    this.#tracks = new TaskTracks(this.#events);
  }

  write(): void {
    for (const host of this.#recording.hosts.keys()) this.#pidOf(host, 1);
    for (const entry of this.#recording.entries) {
      const at = this.#tick(entry.at);
      if (entry.type === 'spawn') this.#spawned(entry, at);
      else if (entry.type === 'step') this.#stepBegins(entry, at);
      else if (entry.type === 'wake') this.#wakes(entry, at);
      else if (entry.type === 'send') this.#sent(entry, at);
      else if (entry.type === 'arrive' || entry.type === 'lose') this.#messageEnds(entry, at);
      else if (entry.type === 'world') this.#worldChanges(entry, at);
    }
    this.#endStep();
    this.#tracks.end(this.#now);
  }

  #tick(atMs: number): number {
    this.#now = Math.max(Math.round(atMs * 1e6), this.#now + TICK_NS);
    return this.#now;
  }

  #pidOf(host: number, starts: number): number {
    const pid = host * PIDS_PER_HOST + Math.min(starts, PIDS_PER_HOST - 1);
    if (this.#pids.has(pid)) return pid;
    this.#pids.add(pid);
    const name = this.#recording.hosts[host] ?? '';
    this.#tracks.addProcess(pid, starts === 1 ? name : `${name}, process ${starts}`);
    return pid;
  }

  #networkOf(host: number): Track {
    return { pid: this.#pidOf(host, 1), tid: NETWORK_TID };
  }

  // ---- tasks ----

  /** A task whose beginning is not in the record begins with its first entry. */
  #trackOf(index: number, at: number, by: TaskTrack | null = null): TaskTrack {
    const known = this.#byTask.get(index);
    if (known !== undefined) return known;
    const { host, starts, id, name } = this.#recording.tasks[index] as Recording['tasks'][number];
    const track = this.#tracks.spawned({ pid: this.#pidOf(host, starts), id, name }, at, by);
    this.#byTask.set(index, track);
    return track;
  }

  #spawned({ task, by }: Entry<'spawn'>, at: number): void {
    if (by < 0) this.#endStep();
    this.#trackOf(task, at, by < 0 ? null : this.#trackOf(by, at));
  }

  #stepBegins(entry: StepEntry, at: number): void {
    this.#endStep();
    const track = this.#trackOf(entry.task, at);
    this.#tracks.stepBegins(track, at);
    if (entry.resumed === 'cancelled') this.#tracks.cancelled(track, at);
    this.#step = { track, entry };
  }

  /** The slice of a step contains its effects. */
  #endStep(): void {
    if (this.#step === null) return;
    const { track, entry } = this.#step;
    this.#step = null;
    this.#tracks.stepEnds(track, this.#now);
    if (entry.state === 'waiting') this.#tracks.waits(track, entry.waitsFor);
    else this.#tracks.finished(track, this.#now, entry.state);
  }

  #wakes({ task, reason, by }: Entry<'wake'>, at: number): void {
    if (reason !== 'task') this.#endStep();
    const source = reason === 'task' ? this.#trackOf(by, at) : reason;
    this.#tracks.wakes(this.#trackOf(task, at), at, source);
  }

  // ---- messages and the world ----

  /** The arrow begins in the step of the sending task, or on the network of its host. */
  #sent(entry: Entry<'send'>, at: number): void {
    const { from, to, text, task, message } = entry;
    const isInStep = this.#step !== null && this.#step.entry.task === task;
    const track = isInStep ? this.#trackOf(task, at) : this.#networkOf(from);
    const name = `to ${this.#recording.hosts[to]}: ${text}`;
    if (!isInStep) this.#networkSlice(from, at, name, { atMs: entry.at });
    else this.#events.instant(track, at, name, { atMs: entry.at });
    this.#flows.set(message, { flow: this.#events.flowStart(track, at, 'message'), entry });
  }

  #messageEnds({ type, message, at: atMs }: Entry<'arrive' | 'lose'>, at: number): void {
    const found = this.#flows.get(message);
    if (found === undefined) return;
    this.#flows.delete(message);
    const { from, to, text, at: sentAt } = found.entry;
    const names = this.#recording.hosts;
    if (type === 'lose') {
      const args = { atMs, sentAtMs: sentAt };
      return this.#events.instant(this.#networkOf(from), at, `lost to ${names[to]}: ${text}`, args);
    }
    this.#endStep();
    this.#networkSlice(to, at, `from ${names[from]}: ${text}`, { atMs, latencyMs: atMs - sentAt });
    this.#events.flowEnd(this.#networkOf(to), at, 'message', found.flow);
  }

  #networkSlice(host: number, at: number, name: string, args: TraceArgs): void {
    this.#events.slice(this.#networkOf(host), at, at + TICK_NS / 2, { name, cat: 'message', args });
  }

  #worldChanges({ kind, host, peer, text, at: atMs }: Entry<'world'>, at: number): void {
    if (kind === 'crash' || kind === 'exit') this.#endTasksOf(host, at);
    const { hosts } = this.#recording;
    const name = kind === 'fault' ? `fault ${text}` : `${kind}${peer < 0 ? '' : ` ${hosts[peer]}`}`;
    this.#events.instant(this.#networkOf(Math.max(0, host)), at, name, { text, atMs });
  }

  #endTasksOf(host: number, at: number): void {
    this.#endStep();
    for (const pid of this.#pids) {
      if (Math.floor(pid / PIDS_PER_HOST) === host) this.#tracks.end(at, pid);
    }
  }
}
