/**
 * Records a run: the steps and wake-ups of tasks (as hooks), the messages between hosts, the
 * random choices, and the events of the world. An ordinary run has no recorder; a failed run is
 * made once more with one, which shows the same run because it is deterministic.
 */

import { sourceOf, wakerOf } from '../../inspect/trace/task-tracer.ts';
import { current } from '../../kernel/current.ts';
import { describeWait } from '../../kernel/diagnostics.ts';
import type { Hooks } from '../../kernel/hooks.ts';
import { combineHooks } from '../../kernel/hooks.ts';
import type { Wait } from '../../kernel/operation.ts';
import type { Resume, TaskImpl } from '../../kernel/task/task.ts';
import { firstLine } from '../../support/checks.ts';
import type { DecisionObserver, DecisionStream } from '../choices/decisions.ts';
import type { MessageObserver } from '../core.ts';
import type { SimProcess } from '../process.ts';
import type { RecordedEntry, RecordedTask, Recording, StepEntry } from './recording.ts';

/** The maximum number of entries that are kept: the last ones. */
const MAX_ENTRIES = 50_000;
/** The maximum length of a name, a wait or a text. */
const MAX_TEXT = 200;
/** The bytes of a message that its text shows. */
const SHOWN_BYTES = 24;

/** The kinds of world events that the entries of a message show already. */
const MESSAGE_KINDS = new Set(['send', 'deliver', 'syn', 'fin', 'rst', 'refuse']);
/** The kinds of world events whose effect lasts. They are kept when old entries are dropped. */
const LASTING_KINDS = new Set('start exit crash partition heal hold release'.split(' '));

const RESUMED: Readonly<Record<Resume, StepEntry['resumed']>> = {
  start: 'start',
  next: '',
  pause: '',
  throw: 'error',
  'unknown-reason': 'error',
  cancel: 'cancelled',
};

/** The part of the simulator that a recorder reads. */
interface Clock {
  readonly now: number;
}

export class RunRecorder implements MessageObserver, DecisionObserver {
  readonly #maxEntries: number;
  #clock: Clock = { now: 0 };
  #entries: RecordedEntry[] = [];
  #omitted = 0;
  readonly #hosts: string[] = [];
  /** The number of processes that each host has started. */
  readonly #processes: number[] = [];
  readonly #tasks: RecordedTask[] = [];
  readonly #taskIndices = new WeakMap<object, number>();
  #messages = 0;
  /** The message that has arrived last, with its host and time: it wakes the tasks there. */
  #arrived = { message: 0, host: -1, at: -1 };
  /** The receivers of the messages in flight. */
  readonly #receivers = new Map<number, number>();
  #step: StepEntry | null = null;
  #lastFinished: TaskImpl | null = null;
  /** The tasks that wait. */
  readonly #waiting = new Set<number>();

  constructor(maxEntries: number = MAX_ENTRIES) {
    this.#maxEntries = maxEntries;
  }

  /** The clock of the run. */
  begin(clock: Clock): void {
    this.#clock = clock;
  }

  /** The record so far. */
  recording(): Recording {
    const hidden = this.#entries.slice(0, -this.#maxEntries);
    const kept = lastingOf(hidden);
    const entries = [...kept, ...this.#entries.slice(-this.#maxEntries)];
    const omitted = this.#omitted + hidden.length - kept.length;
    return { hosts: this.#hosts, ...withoutUnusedTasks(this.#tasks, entries), omitted };
  }

  // ---- tasks: hooks ----

  /** Hooks that record, and then call those of the caller. */
  hooks(others: Hooks | undefined): Hooks {
    const own: Hooks = {
      taskSpawned: (task) => this.#spawned(task as TaskImpl),
      stepBegins: (task) => this.#stepBegins(task as TaskImpl),
      taskWaits: (_task, wait) => this.#waits(wait),
      taskFinished: (task) => this.#finished(task as TaskImpl),
      taskWakes: (task) => this.#wakes(task as TaskImpl),
    };
    return combineHooks(own, others);
  }

  #spawned(task: TaskImpl): void {
    this.#add({
      type: 'spawn',
      at: this.#clock.now,
      task: this.#taskOf(task),
      by: current.task === null ? -1 : this.#taskOf(current.task),
    });
  }

  #stepBegins(task: TaskImpl): void {
    const resumed = RESUMED[task.resume];
    const at = this.#clock.now;
    const index = this.#taskOf(task);
    this.#step = { type: 'step', at, task: index, resumed, waitsFor: '', state: 'running' };
    this.#add(this.#step);
  }

  #waits(wait: Wait): void {
    if (this.#step === null) return;
    this.#step.state = 'waiting';
    if (wait !== undefined) this.#waiting.add(this.#step.task);
    this.#step.waitsFor = safeText(() => describeWait(wait));
  }

  #finished(task: TaskImpl): void {
    this.#lastFinished = task;
    if (this.#step === null) return;
    this.#step.state = task.state;
    if (task.state === 'failed') this.#step.error = safeText(() => firstLine(task.outcome));
  }

  #wakes(task: TaskImpl): void {
    const [index, at] = [this.#taskOf(task), this.#clock.now];
    // A bare yield is not a wait.
    if (!this.#waiting.delete(index)) return;
    const waker = wakerOf(task, this.#lastFinished);
    if (waker !== null) {
      const by = this.#taskOf(waker);
      return this.#add({ type: 'wake', at, task: index, reason: 'task', by, message: 0 });
    }
    const source = sourceOf(task);
    const { message, host } = this.#arrived;
    const isHere = this.#arrived.at === at && this.#tasks[index]?.host === host;
    // A select waits with a parking, which a message wakes as well.
    const isByMessage = isHere && source !== 'timer';
    const reason = isByMessage ? 'network' : source;
    const found = isByMessage ? message : 0;
    this.#add({ type: 'wake', at, task: index, reason, by: -1, message: found });
  }

  #taskOf(task: TaskImpl): number {
    const known = this.#taskIndices.get(task);
    if (known !== undefined) return known;
    const parent = task.parent === null ? -1 : this.#taskOf(task.parent);
    const host = this.#hostOf((task.scheduler.host as SimProcess).host.name);
    const name = safeText(() => task.name);
    const starts = Math.max(1, this.#processes[host] ?? 1);
    const index = this.#tasks.push({ host, starts, id: task.id, name, parent }) - 1;
    this.#taskIndices.set(task, index);
    return index;
  }

  #hostOf(name: string): number {
    if (name === '') return -1;
    const index = this.#hosts.indexOf(name);
    if (index >= 0) return index;
    this.#processes.push(0);
    return this.#hosts.push(name) - 1;
  }

  // ---- messages ----

  sent(from: string, to: string, what: string, bytes?: Uint8Array): number {
    if (from === to) return 0;
    const message = ++this.#messages;
    const text = messageText(what, bytes);
    const { task } = current;
    const sender = this.#hostOf(from);
    const index = task === null ? -1 : this.#taskOf(task);
    this.#receivers.set(message, this.#hostOf(to));
    this.#add({
      type: 'send',
      at: this.#clock.now,
      message,
      from: sender,
      to: this.#hostOf(to),
      text,
      task: this.#tasks[index]?.host === sender ? index : -1,
    });
    return message;
  }

  arrived(message: number): void {
    if (message === 0) return;
    const at = this.#clock.now;
    this.#arrived = { message, host: this.#receivers.get(message) ?? -1, at };
    this.#receivers.delete(message);
    this.#add({ type: 'arrive', at, message });
  }

  lost(message: number): void {
    if (message === 0) return;
    this.#receivers.delete(message);
    this.#add({ type: 'lose', at: this.#clock.now, message });
  }

  // ---- choices and the world ----

  choice({ kind, name }: DecisionStream, outcome: number): void {
    const subject = name.startsWith(`${kind} `) ? name.slice(kind.length + 1) : name;
    this.#add({ type: 'choice', at: this.#clock.now, kind, subject, outcome });
  }

  event(kind: string, host: string, peer: string, text: () => string): void {
    const isMessage = MESSAGE_KINDS.has(kind) && peer !== host && peer !== '';
    if (isMessage || (kind === 'drop' && this.#entries.at(-1)?.type === 'lose')) return;
    const [from, to] = [this.#hostOf(host), this.#hostOf(peer)];
    if (kind === 'start') this.#processes[from] = (this.#processes[from] ?? 0) + 1;
    const detail = clip(text());
    this.#add({ type: 'world', at: this.#clock.now, kind, host: from, peer: to, text: detail });
  }

  // ---- the list ----

  #add(entry: RecordedEntry): void {
    if (this.#entries.length >= 2 * this.#maxEntries) this.#dropOldest();
    this.#entries.push(entry);
  }

  #dropOldest(): void {
    const dropped = this.#entries.splice(0, this.#maxEntries);
    const kept = lastingOf(dropped);
    this.#omitted += dropped.length - kept.length;
    this.#entries.unshift(...kept);
  }
}

/** The last event of each lasting kind, host and peer: at most a few for each pair of hosts. */
function lastingOf(entries: readonly RecordedEntry[]): RecordedEntry[] {
  const last = new Map<string, RecordedEntry>();
  for (const entry of entries) {
    if (entry.type !== 'world' || !LASTING_KINDS.has(entry.kind)) continue;
    const key = `${entry.kind} ${entry.host} ${entry.peer}`;
    last.delete(key);
    last.set(key, entry);
  }
  return [...last.values()];
}

/** Renumbers the tasks: those of the entries and the tasks around them. */
function withoutUnusedTasks(
  all: readonly RecordedTask[],
  entries: readonly RecordedEntry[],
): Pick<Recording, 'tasks' | 'entries'> {
  const used = new Set<number>();
  const use = (index: number): void => {
    for (let at = index; at >= 0 && !used.has(at); at = all[at]?.parent ?? -1) used.add(at);
  };
  for (const entry of entries) {
    if ('task' in entry) use(entry.task);
    if ('by' in entry) use(entry.by);
  }
  const indices = [...used].sort((a, b) => a - b);
  const numbers = new Map(indices.map((index, number) => [index, number]));
  const renumber = (index: number): number => numbers.get(index) ?? -1;
  const tasks = indices.map((index) => {
    const task = all[index] as RecordedTask;
    return { ...task, parent: renumber(task.parent) };
  });
  const renumbered = entries.map((entry): RecordedEntry => {
    if (!('task' in entry)) return entry;
    const task = renumber(entry.task);
    return 'by' in entry ? { ...entry, task, by: renumber(entry.by) } : { ...entry, task };
  });
  return { tasks, entries: renumbered };
}

/** Texts come from programs: a getter or a description may throw. */
function safeText(read: () => string): string {
  try {
    return clip(read());
  } catch {
    return '?';
  }
}

function clip(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`;
}

/** '5 bytes "Hello"' or the name of a packet. */
function messageText(what: string, bytes: Uint8Array | undefined): string {
  if (bytes === undefined || bytes.length === 0) return what;
  const size = `${what === '' ? '' : `${what} of `}${bytes.length} byte${
    bytes.length === 1 ? '' : 's'
  }`;
  const shown = Buffer.from(bytes.subarray(0, SHOWN_BYTES)).toString('latin1');
  if (!/^[\t\n\r -~]*$/.test(shown)) return size;
  return `${size} ${JSON.stringify(shown)}${bytes.length > SHOWN_BYTES ? '…' : ''}`;
}
