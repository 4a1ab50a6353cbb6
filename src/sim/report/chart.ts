/**
 * The last events of a run as a sequence chart: the time on the left, a column for each host, an
 * arrow for each message between hosts, a description on the right.
 *
 *         time  main      server
 *     0.000 ms  ●         │          task 1 'main' starts, waits for sleep 5 ms
 *     5.000 ms  ├────────►│          send 12 bytes
 */
import { printable } from '../../support/printable.ts';
import type { TraceEvent } from '../core.ts';

/** The maximum width of a host's column in characters. Longer names are cut. */
const MAX_COLUMN_WIDTH = 14;
/** The maximum width of a description. */
const MAX_TEXT_WIDTH = 100;

/** A line with the names of the hosts, and the last `maxLines` lines of the chart. */
export function chart(events: readonly TraceEvent[], maxLines: number): string[] {
  const names = [...new Set(events.flatMap(({ host, peer }) => [host, peer ?? '']))];
  const hosts = names.filter((name) => name !== '');
  const width = Math.min(MAX_COLUMN_WIDTH, Math.max(6, ...hosts.map(({ length }) => length)));
  const times = events.map(({ at }) => `${timeText(at)} ms`);
  const timeWidth = Math.max(7, ...times.map(({ length }) => length));
  const head = hosts.map((name) => name.slice(0, width).padEnd(width + 2)).join('');
  const lines = collapseRepeats(events).map(({ event, last, count }) => {
    const time = `${timeText(event.at)} ms`.padStart(timeWidth);
    const until = last === event.at ? '' : `, until ${timeText(last)} ms`;
    const text = truncate(eventText(event)) + (count > 1 ? ` (${count} times${until})` : '');
    return `${time}  ${draw(event, hosts, width + 2)} ${text}`.trimEnd();
  });
  return [`${'time'.padStart(timeWidth)}  ${head}`.trimEnd(), ...lines.slice(-maxLines)];
}

/** Virtual milliseconds with microsecond resolution. */
function timeText(at: number): string {
  return at.toFixed(3);
}

interface CollapsedEvent {
  readonly event: TraceEvent;
  /** The time of the last repetition. */
  last: number;
  count: number;
}

/** Merges equal consecutive events into one line. */
function collapseRepeats(events: readonly TraceEvent[]): CollapsedEvent[] {
  const lines: CollapsedEvent[] = [];
  for (const event of events) {
    const line = lines.at(-1);
    if (line === undefined || !isSame(line.event, event)) {
      lines.push({ event, last: event.at, count: 1 });
      continue;
    }
    line.count++;
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

function truncate(text: string): string {
  const line = printable(text.replace(/\s+/g, ' '));
  return line.length <= MAX_TEXT_WIDTH ? line : `${line.slice(0, MAX_TEXT_WIDTH - 1)}…`;
}

function draw({ host, peer, kind }: TraceEvent, hosts: readonly string[], width: number): string {
  const cells = hosts.map(() => `│${' '.repeat(width - 1)}`).join('');
  const own = hosts.indexOf(host) * width;
  if (peer === undefined || !hosts.includes(peer)) return put(cells, own, '●');
  const other = hosts.indexOf(peer) * width;
  if (own === other) return put(cells, own, '●');
  const [left, right] = [Math.min(own, other), Math.max(own, other)];
  const line = '─'.repeat(right - left - 2);
  const [east, west] = kind === 'drop' ? ['✗', '✗'] : ['►', '◄'];
  return put(cells, left, own < other ? `├${line}${east}│` : `│${west}${line}┤`);
}

function put(cells: string, at: number, symbols: string): string {
  return cells.slice(0, Math.max(0, at)) + symbols + cells.slice(Math.max(0, at) + symbols.length);
}
