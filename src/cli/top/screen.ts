/** The screen of `coronet top` as lines, made from snapshots and the choices of the user. */
import { countOf, countText, durationText } from '../../inspect/format.ts';
import type { InspectSnapshot } from '../../inspect/snapshot.ts';
import type { TaskNode } from '../../inspect/tree.ts';
import { clip } from '../../support/checks.ts';
import type { Holder } from './attachment.ts';

/** The order of the rows. 'tree': parents before children. */
export type SortKey = 'tree' | 'count' | 'waiting' | 'run' | 'name';

/** The state of the screen. */
export interface TopState {
  readonly title: string;
  readonly snapshot: InspectSnapshot;
  /** The snapshot before, for rates. */
  readonly previous: InspectSnapshot | undefined;
  readonly sort: SortKey;
  /** The index of the selected row. */
  readonly selected: number;
  /** Whether the spawn site of the selected task is shown. */
  readonly showsSite: boolean;
  /** For how long the process has not answered, from 2 s on; otherwise 0. */
  readonly silentMs: number;
  readonly holder: Holder;
}

/** A line of the table. */
export interface Row {
  readonly node: TaskNode;
  readonly depth: number;
  /** The task to expand for the tasks of this row one by one; of one task, for its children. */
  readonly expands: number;
  /** How long the task has run since the attachment; 0: little. */
  readonly runMs: number;
}

/** The rows of a snapshot in the order of `sort`. */
export function rowsOf({ tree, slowest }: InspectSnapshot, sort: SortKey): readonly Row[] {
  const runMs = new Map(slowest.map((task) => [task.id, task.runMs]));
  const rows: Row[] = [];
  const stack = tree.root === null ? [] : [{ node: tree.root, depth: 0, parent: 0 }];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const { depth, node, parent } = at;
    const expands = node.count > 1 ? parent : node.id;
    rows.push({ node, depth, expands, runMs: runMs.get(node.id) ?? 0 });
    for (const child of [...node.children].reverse()) {
      stack.push({ node: child, depth: depth + 1, parent: node.id });
    }
  }
  const order = ORDERS[sort];
  return order === undefined ? rows : rows.sort(order);
}

const ORDERS: Readonly<Record<SortKey, ((a: Row, b: Row) => number) | undefined>> = {
  tree: undefined,
  count: (a, b) => b.node.count - a.node.count,
  waiting: (a, b) => b.node.waitingMs - a.node.waitingMs,
  run: (a, b) => b.runMs - a.runMs,
  name: (a, b) => (a.node.name < b.node.name ? -1 : 1),
};

/** All lines for a terminal of this size. A line has at most `width` characters. */
export function renderScreen(state: TopState, width: number, height: number): readonly string[] {
  const foot = footLines(state);
  // A low terminal shows fewer totals, but always a task.
  const head = headLines(state).slice(0, Math.max(2, height - foot.length - 4));
  const rows = rowsOf(state.snapshot, state.sort);
  const space = Math.max(1, height - head.length - foot.length - 1);
  const first = Math.max(0, Math.min(state.selected - Math.floor(space / 2), rows.length - space));
  const shown = rows.slice(first, first + space);
  const table = shown.map((row, index) => rowLine(row, first + index === state.selected));
  const lines = [...head, TABLE_HEAD, ...table, ...foot];
  return lines.slice(0, height).map((line) => clip(line, width));
}

/** The lines of `--once`: everything, in the order of the tree. */
export function renderOnce(state: TopState): string {
  const rows = rowsOf(state.snapshot, state.sort).map((row) => rowLine(row, false));
  return [...headLines(state), TABLE_HEAD, ...rows, ...omittedLines(state)].join('\n');
}

function headLines(state: TopState): string[] {
  const { title, snapshot } = state;
  const { node, coronet, uptimeMs } = snapshot;
  const up = `up ${durationText(uptimeMs)}`;
  return [
    `${title}  ${snapshot.title}  ${up}  node ${node}  coronet ${coronet}`,
    ...silenceLines(state),
    loadLine(state),
    taskLine(state),
    loopLine(snapshot),
    connectionLine(state),
    ...snapshot.servers.slice(0, 3).map(serverLine),
    ...slowestLines(snapshot),
  ];
}

function loadLine({ snapshot, previous }: TopState): string {
  const { memory } = snapshot;
  const cpu = rateOf(snapshot, previous, ({ cpu: used }) => used.userMs + used.systemMs) / 10;
  const heap = `${bytesText(memory.heapUsed)} heap`;
  return `process: ${Math.round(cpu)} % CPU, ${bytesText(memory.rss)} resident, ${heap}`;
}

function taskLine({ snapshot, previous }: TopState): string {
  const { tasks, ready, timers, externalWaits } = snapshot.tree.stats;
  const rate = (of: 'steps' | 'spawned') =>
    countOf(Math.round(rateOf(snapshot, previous, ({ tree }) => tree.stats[of])));
  return (
    `tasks: ${countOf(tasks)}, ${countOf(ready)} ready, ${countText(timers, 'timer')}, ` +
    `${countText(externalWaits, 'external wait')}, ${rate('steps')} steps/s, ` +
    `${rate('spawned')} spawned/s`
  );
}

function loopLine({ loop: { longestMs, lagMs, longestStep } }: InspectSnapshot): string {
  const step =
    longestStep === undefined
      ? 'not known'
      : `${durationText(longestStep.runMs)} (task ${longestStep.id} '${longestStep.name}')`;
  const turn = `longest turn ${durationText(longestMs)}`;
  return `loop: lag ${durationText(lagMs)}, ${turn}, longest step ${step}`;
}

function connectionLine({ snapshot, previous }: TopState): string {
  const { connections, receiving, sending } = snapshot.tree.resources.sockets;
  const other = Math.max(0, connections - receiving - sending);
  const bytes = (name: string) =>
    bytesText(rateOf(snapshot, previous, ({ servers }) => sumOf(servers, name)));
  return (
    `connections: ${countOf(connections)}, ${countOf(receiving)} receiving, ` +
    `${countOf(sending)} sending, ${countOf(other)} other, ` +
    `in ${bytes('bytesReceived')}/s, out ${bytes('bytesSent')}/s`
  );
}

function serverLine(server: InspectSnapshot['servers'][number]): string {
  const count = (name: string) => countOf(Number(server[name] ?? 0));
  return (
    `server ${server.name}: ${count('open')} open, ${count('stalled')} stalled, ` +
    `${count('queued')} queued, ${count('accepted')} accepted, ${count('failed')} failed`
  );
}

function slowestLines({ slowest }: InspectSnapshot): string[] {
  const shown = slowest.slice(0, 3).filter(({ runMs }) => runMs >= 1);
  if (shown.length === 0) return [];
  const texts = shown.map(({ id, name, runMs }) => `task ${id} '${name}' ${durationText(runMs)}`);
  return [`slowest: ${texts.join(', ')}`];
}

function silenceLines({ silentMs, holder }: TopState): string[] {
  return silentMs === 0 ? [] : [silenceText(silentMs, holder)];
}

/** "No answer for 2 s: the loop is held by task 7 'parse'". */
export function silenceText(silentMs: number, holder: Holder): string {
  const by =
    holder === undefined
      ? 'a task or by other code, or the process is stopped'
      : `task ${holder.id} '${holder.name}'`;
  return `No answer for ${Math.floor(silentMs / 1000)} s: the loop is held by ${by}`;
}

const TABLE_HEAD = '   COUNT  WAITING      RUN  TASK';

function rowLine({ node, depth, runMs }: Row, isSelected: boolean): string {
  const { id, count, name, state, waitingOn, waitingMs, hidden } = node;
  const mark = isSelected ? '>' : ' ';
  const waiting = state === 'waiting' ? durationText(waitingMs) : '';
  const run = runMs < 1 ? '' : durationText(runMs);
  const title = count === 1 ? `${name} (task ${id})` : `${countOf(count)} × ${name}`;
  const more = hidden === 0 ? '' : `  [${countOf(hidden)} children not shown]`;
  const indent = '  '.repeat(Math.min(depth, 20));
  const left = `${mark}${countOf(count).padStart(7)} ${waiting.padStart(8)} ${run.padStart(8)}`;
  return `${left}  ${indent}${title}: ${waitingOn || state}${more}`;
}

function omittedLines({ snapshot: { tree } }: TopState): string[] {
  return tree.omitted === 0 ? [] : [`${countOf(tree.omitted)} tasks not shown`];
}

function footLines(state: TopState): string[] {
  const row = rowsOf(state.snapshot, state.sort)[state.selected];
  const site = state.showsSite && row !== undefined ? [siteText(row.node)] : [];
  const keys =
    'q quit  ↑↓ select  enter expand  s spawn site  sort: t tree c count w waiting r run';
  return [...omittedLines(state), ...site, `${keys} n name`];
}

function siteText({ id, spawnedAt, suspendedAt }: TaskNode): string {
  if (spawnedAt === undefined && suspendedAt === undefined) {
    return `task ${id}: source lines are known in debug mode only (CORONET_DEBUG=1)`;
  }
  return `task ${id}: spawned at ${spawnedAt ?? '?'}, waits at ${suspendedAt ?? '?'}`;
}

/** The growth of a number per second; 0 for the first snapshot. */
function rateOf(
  now: InspectSnapshot,
  before: InspectSnapshot | undefined,
  number: (snapshot: InspectSnapshot) => number,
): number {
  if (before === undefined) return 0;
  const ms = now.uptimeMs - before.uptimeMs;
  return ms <= 0 ? 0 : (Math.max(0, number(now) - number(before)) * 1000) / ms;
}

function sumOf(servers: InspectSnapshot['servers'], name: string): number {
  return servers.reduce((sum, server) => sum + Number(server[name] ?? 0), 0);
}

/** "512 B", "1.2 MB". */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let at = 0;
  let value = bytes;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at++;
  }
  return `${at > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}
