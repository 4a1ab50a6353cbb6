/**
 * The last events of a run as a sequence chart: time at the left, a lane for each host, an arrow
 * for what goes from one to another, words at the right.
 *
 *         time  main      server
 *     0.000 ms  ●         │          task 1 'main' starts, waits for sleep 5 ms
 *     5.000 ms  ├────────►│          send 12 bytes
 */
import type { TraceEvent } from '../core.ts';

/** Columns of a lane: a host's name is cut to fit. */
const MAX_LANE_WIDTH = 14;
/** Columns of the words; what is longer is cut. */
const MAX_TEXT_WIDTH = 100;

/** The last `mostLines` lines, and one above with the names. `events` are in order. */
export function chart(events: readonly TraceEvent[], mostLines: number): string[] {
  const hosts = [...new Set(events.flatMap(({ host, peer }) => [host, peer ?? '']))];
  const lanes = hosts.filter((host) => host !== '');
  const width = Math.min(
    MAX_LANE_WIDTH,
    lanes.reduce((most, name) => Math.max(most, name.length), 6),
  );
  const times = events.map(({ at }) => `${timeText(at)} ms`);
  const timeWidth = times.reduce((most, time) => Math.max(most, time.length), 7);
  const head = lanes.map((name) => name.slice(0, width).padEnd(width + 2)).join('');
  const lines = collapseRepeats(events).map(({ event, last, times: often }) => {
    const time = `${timeText(event.at)} ms`.padStart(timeWidth);
    const until = last === event.at ? '' : `, until ${timeText(last)} ms`;
    const words = truncate(eventText(event)) + (often > 1 ? ` (${often} times${until})` : '');
    return `${time}  ${draw(event, lanes, width + 2)} ${words}`.trimEnd();
  });
  return [`${'time'.padStart(timeWidth)}  ${head}`.trimEnd(), ...lines.slice(-mostLines)];
}

/** Virtual milliseconds to the microsecond. */
function timeText(at: number): string {
  return at.toFixed(3);
}

interface CollapsedEvent {
  readonly event: TraceEvent;
  /** When it happened for the last time, and how often. */
  last: number;
  times: number;
}

/** The same event again and again is one line. */
function collapseRepeats(events: readonly TraceEvent[]): CollapsedEvent[] {
  const lines: CollapsedEvent[] = [];
  for (const event of events) {
    const line = lines.at(-1);
    if (line === undefined || !isSame(line.event, event)) {
      lines.push({ event, last: event.at, times: 1 });
      continue;
    }
    line.times++;
    line.last = event.at;
  }
  return lines;
}

function isSame(a: TraceEvent, b: TraceEvent): boolean {
  if (a.host !== b.host || a.peer !== b.peer) return false;
  return a.kind === b.kind && a.text === b.text;
}

function eventText({ kind, text }: TraceEvent): string {
  return kind === 'step' ? text : `${kind} ${text}`;
}

function truncate(words: string): string {
  const line = words.replace(/\s+/g, ' ');
  return line.length <= MAX_TEXT_WIDTH ? line : `${line.slice(0, MAX_TEXT_WIDTH - 1)}…`;
}

function draw({ host, peer, kind }: TraceEvent, lanes: readonly string[], width: number): string {
  const cells = lanes.map(() => `│${' '.repeat(width - 1)}`).join('');
  const own = lanes.indexOf(host) * width;
  if (peer === undefined || !lanes.includes(peer)) return put(cells, own, '●');
  const other = lanes.indexOf(peer) * width;
  if (own === other) return put(cells, own, '●');
  const [left, right] = [Math.min(own, other), Math.max(own, other)];
  const line = '─'.repeat(right - left - 2);
  const [east, west] = kind === 'drop' ? ['✗', '✗'] : ['►', '◄'];
  return put(cells, left, own < other ? `├${line}${east}│` : `│${west}${line}┤`);
}

function put(cells: string, at: number, what: string): string {
  return cells.slice(0, Math.max(0, at)) + what + cells.slice(Math.max(0, at) + what.length);
}
