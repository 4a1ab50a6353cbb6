/** The task tree as text, for terminals and log files. */
import type { Keys } from '../support/checks.ts';
import { checkInteger, checkKeys, checkOptionalBoolean, clip } from '../support/checks.ts';
import type {
  ChannelView,
  ListenerView,
  LockView,
  ResourceViews,
  SocketsView,
} from './resources.ts';
import type { TaskNode, TaskTree } from './tree.ts';
import { taskTree } from './tree.ts';

/** The most lines about tasks. A header and at most 67 lines about resources are added. */
const MAX_LINES = 2000;
const MAX_WIDTH = 1000;
const DEFAULT_WIDTH = 160;
/** Levels that are drawn with branches; deeper ones show their number. */
const MAX_DRAWN_DEPTH = 20;

/** Options of `formatTaskTree`. */
export interface FormatOptions {
  /** Characters of a line, 40 to 1000; longer lines are cut. Default 160. */
  readonly width?: number;
  /** Highlight with the colours of a terminal. Default false. */
  readonly color?: boolean;
}

const FORMAT_KEYS: Keys<FormatOptions> = { width: true, color: true };

/**
 * Returns a task tree as text: a line for each node, then the listeners, connections, locks and
 * channels. At most 2100 lines of `width` characters, without a line end after the last one. Names
 * in it contain no control characters.
 *
 * Errors: TypeError and RangeError for wrong options.
 *
 * @example
 * console.error(formatTaskTree());
 */
export function formatTaskTree(tree: TaskTree = taskTree(), options: FormatOptions = {}): string {
  checkKeys('options', options, FORMAT_KEYS);
  const { width = DEFAULT_WIDTH, color = false } = options;
  checkInteger('width', width, 40, MAX_WIDTH);
  checkOptionalBoolean('color', color);
  if (tree.root === null) return 'No program runs.';
  const lines = [header(tree), ...taskLines(tree.root), ...resourceLines(tree.resources)];
  return lines.map((line) => render(line, width, color)).join('\n');
}

/** A part of a line that is plain, and one that is highlighted. */
interface Line {
  readonly text: string;
  readonly wait?: string;
  readonly after?: string;
}

function render({ text, wait = '', after = '' }: Line, width: number, color: boolean): string {
  const whole = `${text}${wait}${after}`;
  if (whole.length > width || !color || wait === '') return clip(whole, width);
  return `${text}\x1b[33m${wait}\x1b[0m${after}`;
}

function header({ stats, omitted }: TaskTree): Line {
  const { tasks, ready, timers, externalWaits, longestMs } = stats;
  const parts = [
    countText(tasks, 'task'),
    `${countOf(ready)} ready`,
    countText(timers, 'timer'),
    countText(externalWaits, 'external wait'),
    `longest turn ${durationText(longestMs)}`,
    ...(omitted > 0 ? [`${countOf(omitted)} not shown`] : []),
  ];
  return { text: parts.join(', ') };
}

/** A node that is still to be drawn. */
interface Pending {
  readonly node: TaskNode;
  /** The branches to the left of the line, and of the lines of its children. */
  readonly prefix: string;
  readonly childPrefix: string;
  readonly depth: number;
}

function taskLines(root: TaskNode): Line[] {
  const lines: Line[] = [];
  const stack: Pending[] = [{ node: root, prefix: '', childPrefix: '', depth: 0 }];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    if (lines.length >= MAX_LINES) return [...lines, { text: '…' }];
    lines.push(nodeLine(at));
    const { node, childPrefix, depth } = at;
    if (node.hidden > 0) lines.push(hiddenLine(node, childPrefix));
    for (const [index, child] of [...node.children.entries()].reverse()) {
      const isLast = index === node.children.length - 1;
      const isDeep = depth >= MAX_DRAWN_DEPTH;
      stack.push({
        node: child,
        prefix: isDeep ? `${childPrefix}${depth + 1}: ` : childPrefix + (isLast ? '└─ ' : '├─ '),
        childPrefix: isDeep ? childPrefix : childPrefix + (isLast ? '   ' : '│  '),
        depth: depth + 1,
      });
    }
  }
  return lines;
}

function nodeLine({ node, prefix }: Pending): Line {
  const { id, count, name, state, waitingOn, waitingMs, spawnedAt, suspendedAt } = node;
  const title = count === 1 ? `${name} (task ${id})` : `${countOf(count)} × ${name}`;
  const since =
    state === 'waiting' ? `, ${count > 1 ? 'up to ' : ''}${durationText(waitingMs)}` : '';
  const at = suspendedAt === undefined ? '' : ` at ${suspendedAt}`;
  const from = spawnedAt === undefined ? '' : `, spawned at ${spawnedAt}`;
  return { text: `${prefix}${title}: `, wait: waitingOn || state, after: `${since}${at}${from}` };
}

function hiddenLine({ hidden, children }: TaskNode, prefix: string): Line {
  const more = children.length > 0 ? ' more' : '';
  return {
    text: `${prefix}${children.length > 0 ? '├─' : '└─'} ${countOf(hidden)}${more} not shown`,
  };
}

function resourceLines({ listeners, sockets, locks, channels, omitted }: ResourceViews): Line[] {
  const lines = [
    ...listeners.map(listenerText),
    ...socketTexts(sockets),
    ...locks.map(lockText),
    ...channels.map(channelText),
    ...(omitted > 0 ? [`${countOf(omitted)} more listeners, locks and channels not shown`] : []),
  ];
  return lines.map((text) => ({ text }));
}

function listenerText({ address, queued, overflowed }: ListenerView): string {
  const queue = queued === undefined ? 'queue not known' : `${countOf(queued)} queued`;
  const reset = overflowed === undefined ? '' : `, ${countOf(overflowed)} reset`;
  return `listener ${address}: ${queue}${reset}`;
}

/** Waits for sockets that are listed one by one. */
const MAX_SOCKET_WAITS = 5;

function socketTexts(sockets: SocketsView): string[] {
  const { connections, datagrams, receiving, sending, longest } = sockets;
  if (connections + datagrams === 0) return [];
  const total = countText(connections, 'connection');
  const udp = countText(datagrams, 'datagram socket');
  return [
    `sockets: ${total}, ${udp}, ${countOf(receiving)} receiving, ${countOf(sending)} sending`,
    ...longest.slice(0, MAX_SOCKET_WAITS).map(({ direction, address, waitingMs, task }) => {
      return `  ${direction} ${address}: ${durationText(waitingMs)}, ${task}`;
    }),
  ];
}

function lockText({ name, holders, waiters }: LockView): string {
  const held = holders.length === 0 ? 'free' : `held by ${holders.join(', ')}`;
  return `${name}: ${held}, ${countText(waiters, 'waiter')}`;
}

function channelText({ name, size, capacity, senders, receivers }: ChannelView): string {
  const limit = capacity === null ? '' : ` of ${countOf(capacity)}`;
  const waiting = `${countText(senders, 'sender')}, ${countText(receivers, 'receiver')}`;
  return `${name}: ${countOf(size)}${limit} items, ${waiting}`;
}

/** "9,812". */
export function countOf(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** "1 task", "9,812 tasks". */
export function countText(count: number, noun: string): string {
  return `${countOf(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** "0 ms", "999 ms", "1.5 s", "3 min", "7 h", "12 d": two digits or more. */
export function durationText(ms: number): string {
  if (ms < 10) return `${Number(ms.toPrecision(2))} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Math.floor(ms / 100) / 10} s`;
  if (ms < 7_200_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}
