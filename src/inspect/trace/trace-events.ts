/**
 * Events of the Trace Event Format, which Perfetto and chrome://tracing read: "Trace Event Format",
 * N. Duca and D. Sinclair, Google, 2016. Each event is one line of JSON.
 *
 * Invariants:
 *  1. The slices of a track do not overlap: a viewer nests or drops slices that do.
 *  2. A flow begins and ends inside a slice. Otherwise a viewer shows no arrow.
 *  3. At most `maxEvents` events are written, then one instant 'truncated' and nothing more.
 */

/** A row of the viewer: a thread of a process. */
export interface Track {
  readonly pid: number;
  readonly tid: number;
}

/** Values that a viewer shows for an event. */
export type TraceArgs = Readonly<Record<string, string | number>>;

/** Receives the text of an event, without a separator. */
export type TraceSink = (event: string) => void;

/** The maximum length of a name or a text. */
const MAX_TEXT = 200;

export class TraceEvents {
  readonly #sink: TraceSink;
  readonly #maxEvents: number;
  #count = 0;
  #flows = 0;

  constructor(sink: TraceSink, maxEvents: number) {
    this.#sink = sink;
    this.#maxEvents = maxEvents;
  }

  /** True: the maximum is reached. */
  get isTruncated(): boolean {
    return this.#count > this.#maxEvents;
  }

  /** Names a process, or a track of it. Viewers sort by `pid` and `tid`. */
  nameProcess(pid: number, name: string): void {
    this.#name('process', { pid, tid: 0 }, name, pid);
  }

  nameTrack({ pid, tid }: Track, name: string): void {
    this.#name('thread', { pid, tid }, name, tid);
  }

  #name(of: 'process' | 'thread', track: Track, name: string, index: number): void {
    const event = { ph: 'M', cat: '__metadata', ...track, ts: 0 };
    this.#write({ ...event, name: `${of}_name`, args: { name: clip(name) } });
    this.#write({ ...event, name: `${of}_sort_index`, args: { sort_index: index } });
  }

  /** A period of a track. Times are whole nanoseconds. */
  slice(
    { pid, tid }: Track,
    from: number,
    to: number,
    { name, cat, args = {} }: { readonly name: string; readonly cat: string; args?: TraceArgs },
  ): void {
    const period = { ts: from / 1000, dur: Math.max(0, to - from) / 1000 };
    this.#write({ ph: 'X', name: clip(name), cat, pid, tid, ...period, args });
  }

  /** A moment of a track. */
  instant({ pid, tid }: Track, at: number, name: string, args: TraceArgs = {}): void {
    this.#write({ ph: 'i', s: 't', name: clip(name), cat: 'event', pid, tid, ts: at / 1000, args });
  }

  /** The beginning of an arrow. Pass the result to `flowEnd`. */
  flowStart({ pid, tid }: Track, at: number, name: string): number {
    const id = ++this.#flows;
    this.#write({ ph: 's', id, name, cat: 'flow', pid, tid, ts: at / 1000 });
    return id;
  }

  flowEnd({ pid, tid }: Track, at: number, name: string, id: number): void {
    this.#write({ ph: 'f', bp: 'e', id, name, cat: 'flow', pid, tid, ts: at / 1000 });
  }

  #write(event: { readonly ts: number; readonly [field: string]: unknown }): void {
    if (this.#count > this.#maxEvents) return;
    if (this.#count++ < this.#maxEvents) return this.#sink(JSON.stringify(event));
    const { ts } = event;
    const args = { maxEvents: this.#maxEvents };
    const mark = { ph: 'i', s: 'g', name: 'truncated', cat: 'event', pid: 1, tid: 1, ts, args };
    this.#sink(JSON.stringify(mark));
  }
}

function clip(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`;
}
