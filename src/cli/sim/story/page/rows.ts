/** The rows of the chart: the entries of the record that a reader follows, with their texts. */
import type { Recording, StepEntry } from '../../../../sim/report/recording.ts';
import type { Story } from '../story.ts';
import type { Band } from './bands.ts';
import { Bands } from './bands.ts';

export type RowKind = 'step' | 'send' | 'arrive' | 'lose' | 'world' | 'choice' | 'failure';

export interface Row {
  /** Its place among all rows. */
  readonly index: number;
  readonly kind: RowKind;
  readonly at: number;
  /** The time of the last step of a row that stands for several. */
  until: number;
  readonly host: number;
  /** −1 for none. */
  readonly task: number;
  text: string;
  /** The number of steps that the row stands for. */
  count: number;
  /** 0 for none. */
  readonly message: number;
  /** The kind of a world event; for the last step of a task 'ended' or 'failed'. */
  mark: string;
  /** True for packets without data, such as SYN. */
  readonly isControl: boolean;
}

/** A message, with the rows of its ends. */
export interface Message {
  readonly from: number;
  readonly to: number;
  readonly text: string;
  readonly task: number;
  readonly sentAt: number;
  readonly send: Row;
  /** Null: still in flight at the end of the run. */
  end: Row | null;
  isLost: boolean;
  /** The task that it woke; −1 for none. */
  receiver: number;
}

export interface Timeline {
  readonly rows: readonly Row[];
  readonly bands: readonly Band[];
  readonly messages: ReadonlyMap<number, Message>;
}

/** More choices than these are not shown as rows. */
const MAX_CHOICE_ROWS = 60;
const CONTROL = new Set(['SYN', 'SYN+ACK', 'ACK', 'FIN', 'RST', 'probe']);

export function timelineOf(story: Story): Timeline {
  const builder = new TimelineBuilder(story);
  return { rows: builder.rows, messages: builder.messages, bands: builder.bands.all };
}

class TimelineBuilder {
  readonly rows: Row[] = [];
  readonly messages: Map<number, Message> = new Map();
  readonly bands: Bands = new Bands();
  readonly #recording: Recording;

  constructor({ recording, failure, virtualMs, isReplay }: Story) {
    this.#recording = recording;
    const { entries } = recording;
    const choices = isReplay ? entries.filter(({ type }) => type === 'choice').length : Infinity;
    for (const entry of entries) {
      if (entry.type === 'step') this.#addStep(entry);
      else if (entry.type === 'send') this.#addSend(entry);
      else if (entry.type === 'arrive' || entry.type === 'lose') this.#addEnd(entry);
      else if (entry.type === 'wake') this.#addWake(entry);
      else if (entry.type === 'world') this.#addWorld(entry);
      else if (entry.type === 'choice' && choices <= MAX_CHOICE_ROWS) {
        const host = hostOfChoice(entry.subject, recording.hosts);
        this.#add('choice', entry.at, { host, text: choiceText(entry) });
      }
    }
    if (failure === null) return;
    const task = this.#failedTask(recording.hosts.indexOf(failure.host), failure.chain[0]);
    const host = recording.tasks[task]?.host ?? 0;
    const text = `${failure.name}: ${failure.message}`.split('\n', 1)[0] as string;
    this.#add('failure', virtualMs, { host, task, text });
  }

  /**
   * The task of that name that made a step last, or else the one whose step was the last of its
   * host, or of all: an invariant is checked after each step.
   */
  #failedTask(host: number, name: string | undefined): number {
    const steps = this.#recording.entries.filter((entry): entry is StepEntry => {
      const isOnHost = entry.type === 'step' && this.#recording.tasks[entry.task]?.host === host;
      return entry.type === 'step' && (host < 0 || isOnHost);
    });
    const isNamed = ({ task }: StepEntry): boolean => this.#recording.tasks[task]?.name === name;
    return (steps.findLast((step) => isNamed(step)) ?? steps.at(-1))?.task ?? -1;
  }

  #add(kind: RowKind, at: number, fields: Partial<Row> & Pick<Row, 'host' | 'text'>): Row {
    const isControl = fields.message !== undefined && CONTROL.has(fields.text);
    const defaults = { task: -1, until: at, count: 1, message: 0, mark: '' };
    const row: Row = { ...defaults, index: this.rows.length, kind, at, isControl, ...fields };
    this.rows.push(row);
    return row;
  }

  #addStep({ at, task, resumed, waitsFor, state, error }: StepEntry): void {
    const verb = {
      '': 'goes on',
      start: 'starts',
      error: 'gets an error',
      cancelled: 'is cancelled',
    };
    const last = this.rows.at(-1);
    const isFailed = state === 'failed';
    const isEnd = isFailed || state === 'done' || state === 'cancelled';
    const mark = isFailed ? 'failed' : isEnd ? 'ended' : '';
    const outcome =
      isFailed && error !== undefined ? `fails: ${error}` : outcomeText(state, waitsFor);
    const words = [verb[resumed], outcome].filter((word) => word !== '');
    const text = resumed === '' && outcome !== '' ? outcome : words.join(', ');
    if (last?.kind === 'step' && last.task === task && !isFailed && last.mark === '') {
      last.count++;
      last.until = at;
      last.text = text;
      last.mark = mark;
      return;
    }
    const host = this.#recording.tasks[task]?.host ?? 0;
    this.#add('step', at, { host, task, text, mark });
  }

  #addSend(entry: Extract<Recording['entries'][number], { type: 'send' }>): void {
    const { at, message, from, to, text, task } = entry;
    const send = this.#add('send', at, { host: from, task, message, text });
    const ends = { send, end: null, isLost: false, receiver: -1, sentAt: at };
    this.messages.set(message, { from, to, text, task, ...ends });
  }

  #addEnd({ type, at, message }: { type: 'arrive' | 'lose'; at: number; message: number }): void {
    const found = this.messages.get(message);
    if (found === undefined) return;
    found.isLost = type === 'lose';
    const host = found.isLost ? found.from : found.to;
    found.end = this.#add(type, at, { host, message, text: found.text });
  }

  #addWake({ task, message }: { task: number; message: number }): void {
    const found = this.messages.get(message);
    if (found !== undefined) found.receiver = task;
  }

  #addWorld(entry: Extract<Recording['entries'][number], { type: 'world' }>): void {
    const { at, kind, host, peer, text } = entry;
    const [near, far] = [this.#hostName(host), this.#hostName(peer)];
    const last = this.rows.at(-1);
    const back = `${kind} ${far} ⇄ ${near}`;
    const oneWay = `${kind} ${far} → ${near}`;
    if (last?.kind === 'world' && last.at === at && last.text === oneWay) {
      last.text = back;
      this.#joinPairs(kind, far, near);
      this.bands.change(this.rows.at(-1) as Row, { host, peer, names: this.#recording.hosts });
      return;
    }
    const shown = worldText(kind, { near, far, text });
    const row = this.#add('world', at, { host, text: shown, mark: kind });
    this.bands.change(row, { host, peer, names: this.#recording.hosts });
  }

  /** "partition a ⇄ b" and "partition a ⇄ c" at the same time are one row. */
  #joinPairs(kind: string, host: string, peer: string): void {
    const [before, last] = this.rows.slice(-2) as [Row, Row | undefined];
    const isSame = last !== undefined && before.kind === 'world' && before.at === last.at;
    if (!isSame || !before.text.startsWith(`${kind} ${host} ⇄ `)) return;
    before.text += `, ${peer}`;
    this.bands.move(last, before);
    this.rows.pop();
  }

  #hostName(host: number): string {
    return this.#recording.hosts[host] ?? '';
  }
}

function outcomeText(state: StepEntry['state'], waitsFor: string): string {
  if (state === 'done' || state === 'cancelled') return 'ends';
  if (state === 'waiting') return waitsFor === '' ? 'lets others run' : `waits for ${waitsFor}`;
  return state === 'running' ? '' : state;
}

function worldText(
  kind: string,
  { near, far, text }: { near: string; far: string; text: string },
): string {
  if (['partition', 'heal', 'hold', 'release'].includes(kind)) {
    return kind === 'partition' || kind === 'heal'
      ? `${kind} ${near} → ${far}`
      : `${kind} ${near} ⇄ ${far}`;
  }
  if (kind === 'start' || kind === 'exit') return `${kind === 'start' ? 'starts' : 'exits'}`;
  if (kind === 'crash') return 'crashes';
  if (kind === 'fault') return `injected fault: ${text}`;
  const target = far === '' || far === near ? '' : ` to ${far}`;
  return `${kind}${target}${text === '' ? '' : `: ${text}`}`;
}

function hostOfChoice(subject: string, hosts: readonly string[]): number {
  const host = hosts.indexOf(subject.split(' ', 1)[0] as string);
  return Math.max(0, host);
}

function choiceText(choice: { kind: string; subject: string; outcome: number }): string {
  const { kind, subject, outcome } = choice;
  if (kind === 'schedule') return `random choice: ready task ${outcome + 1} runs first`;
  if (kind === 'latency') {
    const link = subject.replace(' ', ' → ');
    if (outcome === 1) return `random choice: ${link} loses or reorders the message`;
    return `random choice: latency of ${link}, ${Math.round(outcome * 100)} % of its range`;
  }
  const rounded = Number(outcome.toFixed(4));
  if (kind === 'program') return `random choice: random() returns ${rounded}`;
  return `random choice: fault ${subject}`.trim();
}
