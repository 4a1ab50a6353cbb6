/**
 * The trace of a run: a hash of everything that happened, and the last events themselves, kept raw
 * and put into words only when somebody reads them.
 *
 * Invariant: nothing that differs between two runs of the same seed goes into the hash: no stacks,
 * no real time, no texts that are made for people.
 */

import { describeWait } from '../../kernel/diagnostics.ts';
import type { Wait } from '../../kernel/operation.ts';
import type { Resume, TaskImpl } from '../../kernel/task/task.ts';
import type { TraceEvent } from '../core.ts';
import { hashText, TraceHash } from './trace-hash.ts';

/** Events that are kept for the report of a failure. */
const RECENT_EVENTS = 200;
/** Events that are written down when two runs are compared. */
const MAX_RECORDED = 200_000;

const RESUMES: Readonly<Record<Resume, number>> = {
  start: 0,
  next: 1,
  pause: 2,
  throw: 3,
  cancel: 4,
};

const STATES: Readonly<Record<TaskImpl['state'], number>> = {
  ready: 1,
  running: 2,
  waiting: 3,
  done: 4,
  failed: 5,
  cancelled: 6,
};

const VERBS: Readonly<Record<Resume, string>> = {
  start: 'starts',
  next: 'goes on',
  pause: 'goes on',
  throw: 'gets an error',
  cancel: 'is cancelled',
};

/** An event as it was noted. Reused for a later event once it is too old. */
export class TraceRecord {
  at = 0;
  kind = '';
  host = '';
  peer = '';
  text: (() => string) | null = null;
  /** Of a step: whose, how it was resumed, what it has waited for since, how often in a row. */
  task: TaskImpl | null = null;
  resume: Resume = 'start';
  wait: Wait = undefined;
  stateAfter: TaskImpl['state'] = 'running';
  /** Where it is written down, −1 if it is not. */
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
    // Who holds a lock is known as of now only, not as of then.
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
  /** Every event in words, while runs are compared. */
  readonly recorded: string[] | null;

  constructor(record: boolean) {
    this.recorded = record ? [] : null;
  }

  get hex(): string {
    return this.#hash.hex;
  }

  /** The same for two runs whose tasks ran in the same order. */
  get schedule(): string {
    return `${this.#steps}:${this.#schedule}`;
  }

  /** A step begins. The answer is handed to `stepEnded`. */
  step(at: number, host: { name: string; index: number }, task: TaskImpl): TraceRecord {
    this.#hashTime(at);
    const { id, resume } = task;
    this.#hash.word((host.index << 3) | RESUMES[resume]);
    this.#hash.word(id);
    this.#steps++;
    const mixed = Math.imul(this.#schedule ^ ((host.index << 20) + id), 0x01000193);
    this.#schedule = mixed ^ (mixed >>> 15);
    const note = this.#nextRecord(at, 'step', host.name, '');
    note.task = task;
    note.resume = resume;
    note.stateAfter = 'running';
    if (this.recorded !== null) this.#record(note, id);
    return note;
  }

  /** What `task` has come to in the step that was noted in `note`. */
  stepEnded(note: TraceRecord, task: TaskImpl): void {
    const { state, wait } = task;
    this.#hash.word(STATES[state]);
    if (state === 'waiting' && wait?.[0] === 'sleep') this.#hash.number(wait[1]);
    // The note belongs to a later event if the step has caused very many.
    if (note.task !== task) return;
    note.stateAfter = state;
    note.wait = wait;
    if (this.recorded !== null) this.#record(note, task.id);
  }

  /** Something else has happened on `host`, between it and `peer`. `tell` says the rest of it. */
  event(at: number, kind: string, host: string, peer: string): TraceRecord {
    this.#hashTime(at);
    this.#hash.word(this.#hashOf(kind));
    this.#hash.word(this.#hashOf(host));
    if (peer !== '') this.#hash.word(this.#hashOf(peer));
    return this.#nextRecord(at, kind, host, peer);
  }

  /** Adds a number for the hash, and words for people, made when they are read. */
  addDetail(note: TraceRecord, value: number, text: () => string): void {
    this.#hash.number(value);
    note.text = text;
    if (this.recorded !== null) this.#record(note, value);
  }

  /** The last events, the oldest first. */
  lastEvents(): TraceEvent[] {
    const first = this.count > RECENT_EVENTS ? this.count % RECENT_EVENTS : 0;
    const notes = [...this.#recent.slice(first), ...this.#recent.slice(0, first)];
    return notes.map((note) => note.toEvent());
  }

  #nextRecord(at: number, kind: string, host: string, peer: string): TraceRecord {
    const slot = this.count++ % RECENT_EVENTS;
    let note = this.#recent[slot];
    if (note === undefined) {
      note = new TraceRecord();
      this.#recent.push(note);
    }
    note.at = at;
    note.kind = kind;
    note.host = host;
    note.peer = peer;
    note.text = null;
    note.task = null;
    note.line = -1;
    return note;
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

  #record(note: TraceRecord, value: number): void {
    if (this.recorded === null) return;
    if (note.line < 0) note.line = this.recorded.length;
    if (note.line >= MAX_RECORDED) return;
    const { at, host, peer, kind, text } = note.toEvent();
    const where = peer === undefined ? host : `${host} → ${peer}`;
    this.recorded[note.line] = `${at} ms  ${where}  ${kind}: ${text} [${value}]`;
  }
}
