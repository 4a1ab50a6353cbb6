/**
 * The trace of a run: a hash of all events, and the last events themselves. Events are kept as raw
 * values and formatted only when they are read.
 *
 * Invariant: nothing that differs between two runs with the same seed is hashed: no stacks, no real
 * time, no texts for people.
 */

import { describeWait } from '../../kernel/diagnostics.ts';
import type { Wait } from '../../kernel/operation.ts';
import type { Resume, TaskImpl } from '../../kernel/task/task.ts';
import type { TraceEvent } from '../core.ts';
import { hashText, TraceHash } from './trace-hash.ts';

/** The number of recent events that are kept for the report of a failure. */
const RECENT_EVENTS = 200;
/** The maximum number of events that are recorded to compare two runs. */
const MAX_RECORDED = 200_000;

type State = TaskImpl['state'];

/** The hash contains the indices of these: from 0, and from 1. */
const RESUMES: readonly Resume[] = ['start', 'next', 'pause', 'throw', 'cancel', 'unknown-reason'];
const STATES: readonly State[] = ['ready', 'running', 'waiting', 'done', 'failed', 'cancelled'];

const VERBS: Readonly<Record<Resume, string>> = {
  start: 'starts',
  next: 'goes on',
  pause: 'goes on',
  throw: 'gets an error',
  'unknown-reason': 'gets an error',
  cancel: 'is cancelled',
};

/** An event. Reused for a later event once it is too old. */
export class TraceRecord {
  at = 0;
  kind = '';
  host = '';
  peer = '';
  text: (() => string) | null = null;
  /** For a step: the task, how it was resumed, and what it waits for afterwards. */
  task: TaskImpl | null = null;
  resume: Resume = 'start';
  wait: Wait = undefined;
  stateAfter: State = 'running';
  /** Its line in `recorded`; −1 if it has none. */
  line = -1;

  toEvent(): TraceEvent {
    const { at, host, kind, peer } = this;
    const text = this.task === null ? (this.text?.() ?? '') : this.#stepText(this.task);
    return peer === '' ? { at, host, kind, text } : { at, host, peer, kind, text };
  }

  #stepText(task: TaskImpl): string {
    return `task ${task.id} '${task.name}' ${VERBS[this.resume]}${this.#outcomeText()}`;
  }

  #outcomeText(): string {
    if (this.stateAfter === 'running') return '';
    if (this.stateAfter !== 'waiting')
      return this.stateAfter === 'ready' ? '' : `, ${this.stateAfter}`;
    // The holder of a lock is known only as of now, not as of the event.
    return `, waits for ${describeWait(this.wait).replace(/ held by .*$/, '')}`;
  }
}

export class Trace {
  readonly #hash = new TraceHash();
  #schedule = 0;
  /** Events of every kind. */
  count = 0;
  #steps = 0;
  #hashedTime = 0;
  readonly #recent: TraceRecord[] = [];
  readonly #textHashes = new Map<string, number>();
  /** Every event as text, while runs are compared. */
  readonly recorded: string[] | null;

  constructor(record: boolean) {
    this.recorded = record ? [] : null;
  }

  get hex(): string {
    return this.#hash.hex;
  }

  /** Equal for two runs whose tasks ran in the same order. */
  get schedule(): string {
    return `${this.#steps}:${this.#schedule}`;
  }

  /** Records the start of a step. Pass the result to `stepEnded`. */
  step(at: number, host: { name: string; index: number }, task: TaskImpl): TraceRecord {
    this.#hashTime(at);
    const { id, resume } = task;
    this.#hash.word((host.index << 3) | RESUMES.indexOf(resume));
    this.#hash.word(id);
    this.#steps++;
    const mixed = Math.imul(this.#schedule ^ ((host.index << 20) + id), 0x01000193);
    this.#schedule = mixed ^ (mixed >>> 15);
    const record = this.#nextRecord(at, 'step', host.name, '');
    record.task = task;
    record.resume = resume;
    record.stateAfter = 'running';
    if (this.recorded !== null) this.#record(record, id);
    return record;
  }

  /** Records the state of `task` after the step. */
  stepEnded(record: TraceRecord, task: TaskImpl): void {
    const { state, wait } = task;
    this.#hash.word(1 + STATES.indexOf(state));
    if (state === 'waiting' && wait?.[0] === 'sleep') this.#hash.number(wait[1]);
    // The record belongs to a later event if the step has caused very many events.
    if (record.task !== task) return;
    record.stateAfter = state;
    record.wait = wait;
    if (this.recorded !== null) this.#record(record, task.id);
  }

  /** Records another event on `host`, or from `host` to `peer`. `addDetail` completes it. */
  event(at: number, kind: string, host: string, peer: string): TraceRecord {
    this.#hashTime(at);
    this.#hash.word(this.#hashOf(kind));
    this.#hash.word(this.#hashOf(host));
    if (peer !== '') this.#hash.word(this.#hashOf(peer));
    return this.#nextRecord(at, kind, host, peer);
  }

  /** Adds a value to the hash, and a text that is formatted when it is read. */
  addDetail(record: TraceRecord, value: number, text: () => string): void {
    this.#hash.number(value);
    record.text = text;
    if (this.recorded !== null) this.#record(record, value);
  }

  /** The last events, the oldest first. */
  lastEvents(): TraceEvent[] {
    const first = this.count > RECENT_EVENTS ? this.count % RECENT_EVENTS : 0;
    const records = [...this.#recent.slice(first), ...this.#recent.slice(0, first)];
    return records.map((record) => record.toEvent());
  }

  #nextRecord(at: number, kind: string, host: string, peer: string): TraceRecord {
    const slot = this.count++ % RECENT_EVENTS;
    let record = this.#recent[slot];
    if (record === undefined) {
      record = new TraceRecord();
      this.#recent.push(record);
    }
    record.at = at;
    record.kind = kind;
    record.host = host;
    record.peer = peer;
    record.text = null;
    record.task = null;
    record.line = -1;
    return record;
  }

  #hashTime(at: number): void {
    if (at === this.#hashedTime) return;
    this.#hashedTime = at;
    this.#hash.number(at);
  }

  #hashOf(text: string): number {
    let hash = this.#textHashes.get(text);
    if (hash === undefined) {
      hash = hashText(text);
      this.#textHashes.set(text, hash);
    }
    return hash;
  }

  #record(record: TraceRecord, value: number): void {
    if (this.recorded === null) return;
    if (record.line < 0) record.line = this.recorded.length;
    if (record.line >= MAX_RECORDED) return;
    const { at, host, peer, kind, text } = record.toEvent();
    const where = peer === undefined ? host : `${host} → ${peer}`;
    this.recorded[record.line] = `${at} ms  ${where}  ${kind}: ${text} [${value}]`;
  }
}
