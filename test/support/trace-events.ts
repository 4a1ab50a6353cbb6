/** Checks of the Trace Event Format ("Trace Event Format", Google), as its viewers read it. */
import { expect } from 'vitest';

export interface TraceEventJson {
  readonly ph: string;
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  readonly id?: number;
  readonly s?: string;
  readonly bp?: string;
  readonly cat?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

export interface TraceJson {
  readonly traceEvents: readonly TraceEventJson[];
}

/** Checks the fields of each event, that slices do not overlap, and that arrows are in slices. */
export function checkTraceEvents({ traceEvents }: TraceJson): void {
  const wrong = traceEvents.filter((event) => !hasFields(event));
  expect(wrong.slice(0, 3), 'events with wrong fields').toEqual([]);
  const slices = new Map<string, TraceEventJson[]>();
  for (const event of traceEvents) {
    if (event.ph !== 'X') continue;
    const track = slices.get(trackKey(event));
    if (track === undefined) slices.set(trackKey(event), [event]);
    else track.push(event);
  }
  for (const track of slices.values()) checkNoOverlap(track);
  const lost = traceEvents.filter((event) => {
    const isArrow = event.ph === 's' || event.ph === 'f';
    return isArrow && !isInSlice(event, slices.get(trackKey(event)) ?? []);
  });
  expect(lost.slice(0, 3), 'ends of arrows without a slice').toEqual([]);
}

/** `slices` are sorted by time. */
function isInSlice({ ts }: TraceEventJson, slices: readonly TraceEventJson[]): boolean {
  let [low, high] = [0, slices.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((slices[middle] as TraceEventJson).ts <= ts + ROUNDING) low = middle + 1;
    else high = middle;
  }
  return slices.slice(Math.max(0, low - 3), low).some((slice) => {
    return ts <= slice.ts + (slice.dur ?? 0) + ROUNDING;
  });
}

function trackKey({ pid, tid }: TraceEventJson): string {
  return `${pid} ${tid}`;
}

function hasFields({ ph, name, pid, tid, ts, dur, id, s, bp, args }: TraceEventJson): boolean {
  const isWhole = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
  if (typeof name !== 'string' || !isWhole(pid) || !isWhole(tid)) return false;
  if (!Number.isFinite(ts) || ts < 0) return false;
  if (ph === 'X') return Number.isFinite(dur) && Number(dur) >= 0;
  if (ph === 'i') return ['t', 'p', 'g'].includes(s ?? '');
  if (ph === 's') return isWhole(id);
  if (ph === 'f') return isWhole(id) && bp === 'e';
  return ph === 'M' && args !== undefined;
}

/** Microseconds that rounding may add. */
const ROUNDING = 0.002;

function checkNoOverlap(slices: TraceEventJson[]): void {
  let end = -1;
  slices.sort((a, b) => a.ts - b.ts);
  for (const slice of slices) {
    if (slice.ts + ROUNDING < end) expect(slice, `a slice after ${end}`).toBeUndefined();
    end = slice.ts + (slice.dur ?? 0);
  }
}
