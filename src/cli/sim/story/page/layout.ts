/** Where rows and columns are: the visible rows from top to bottom, the hosts and their tasks. */
import type { Story } from '../story.ts';
import type { Band } from './bands.ts';
import type { Message, Row, Timeline } from './rows.ts';

export const ROW_HEIGHT = 26;
/** The height of the mark of a quiet stretch. */
export const GAP_HEIGHT = 24;
export const TIME_WIDTH = 104;
const LANE_WIDTH = 30;
/** A host with more tasks at the same time has no lanes for them. */
const MAX_LANES = 12;
/** With more lanes than these, hosts show their tasks only on request. */
const MAX_OPEN_LANES = 12;

/** The choices of the reader. */
export interface Filter {
  readonly hiddenHosts: ReadonlySet<number>;
  /** Part of the name of a task, or "#3"; '' for all. */
  readonly task: string;
  readonly showsSteps: boolean;
  readonly showsControl: boolean;
  /** The least width of a column in pixels. */
  readonly minColumn: number;
  /** The hosts whose tasks are shown; null: those that fit. */
  readonly expanded: ReadonlySet<number> | null;
}

export interface Column {
  readonly host: number;
  readonly name: string;
  readonly left: number;
  readonly width: number;
  readonly center: number;
  /** The centres of the lanes, by task; empty if the tasks are not shown. */
  readonly lanes: ReadonlyMap<number, number>;
  readonly canExpand: boolean;
}

/** The rows of a task: the first, and the last if it has ended. */
export interface Life {
  readonly task: number;
  readonly from: Row;
  to: Row | null;
}

export class Layout {
  readonly rows: readonly Row[];
  readonly columns: readonly Column[];
  readonly width: number;
  readonly height: number;
  readonly lives: readonly Life[];
  /** The messages of which both hosts are shown, and a row of at least one end. */
  readonly messages: readonly Message[];
  readonly #tops: number[] = [];
  /** The time that passes before each row, if that is a quiet stretch; otherwise 0. */
  readonly #gaps: number[] = [];
  readonly #indices = new Map<Row, number>();
  readonly #positions: number[];
  readonly #timeline: Timeline;

  constructor(story: Story, timeline: Timeline, filter: Filter) {
    this.#timeline = timeline;
    this.rows = timeline.rows.filter((row) => isShown(row, { story, timeline, filter }));
    this.lives = livesOf(story, timeline);
    this.columns = columnsOf(story, filter, this.lives);
    const last = this.columns.at(-1);
    this.width = last === undefined ? 0 : last.left + last.width;
    this.height = this.#placeRows(quietMs(this.rows));
    this.#positions = this.#placeHidden();
    this.messages = this.#shownMessages();
  }

  #placeRows(quiet: number): number {
    let top = 0;
    let before = 0;
    for (const [index, row] of this.rows.entries()) {
      const gap = index > 0 && row.at - before >= quiet ? row.at - before : 0;
      if (gap > 0) top += GAP_HEIGHT;
      this.#gaps.push(gap);
      this.#tops.push(top);
      this.#indices.set(row, index);
      before = row.until;
      top += ROW_HEIGHT;
    }
    return top;
  }

  /** For every row of the timeline the vertical position, also of those that are not shown. */
  #placeHidden(): number[] {
    let at = 0;
    return this.#timeline.rows.map((row) => {
      const index = this.#indices.get(row);
      if (index !== undefined) at = (this.#tops[index] as number) + ROW_HEIGHT / 2;
      return at;
    });
  }

  topOf(index: number): number {
    return this.#tops[index] as number;
  }

  gapBefore(index: number): number {
    return this.#gaps[index] as number;
  }

  indexOf(row: Row): number {
    return this.#indices.get(row) ?? -1;
  }

  /** The vertical centre of a row; for a hidden row that of the shown row before it. */
  yOf(row: Row): number {
    const index = this.#indices.get(row);
    if (index !== undefined) return (this.#tops[index] as number) + ROW_HEIGHT / 2;
    return this.#positions[row.index] ?? 0;
  }

  /** The first row that ends below `y`. */
  firstAt(y: number): number {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#tops[middle] as number) + ROW_HEIGHT < y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  columnOf(host: number): Column | undefined {
    return this.columns.find((column) => column.host === host);
  }

  /** The horizontal position of a task, or of its host. */
  xOf(host: number, task: number): number {
    const column = this.columnOf(host);
    return column?.lanes.get(task) ?? column?.center ?? 0;
  }

  #shownMessages(): Message[] {
    return [...this.#timeline.messages.values()].filter(({ from, to, send, end }) => {
      if (this.columnOf(from) === undefined || this.columnOf(to) === undefined) return false;
      return this.#indices.has(send) || (end !== null && this.#indices.has(end));
    });
  }

  bands(): Band[] {
    return this.#timeline.bands.filter(({ host }) => this.columnOf(host) !== undefined);
  }
}

function isShown(
  row: Row,
  { story, timeline, filter }: { story: Story; timeline: Timeline; filter: Filter },
): boolean {
  if (row.kind === 'failure') return true;
  if (filter.hiddenHosts.has(row.host)) return false;
  if (row.kind === 'step' && row.mark !== 'failed' && !filter.showsSteps) return false;
  if (row.isControl && row.kind !== 'lose' && !filter.showsControl) return false;
  if (filter.task === '') return true;
  const { task, receiver } = timeline.messages.get(row.message) ?? { task: -1, receiver: -1 };
  return [row.task, task, receiver].some((index) => matches(story, index, filter.task));
}

function matches({ recording }: Story, index: number, wanted: string): boolean {
  const task = recording.tasks[index];
  if (task === undefined) return false;
  if (wanted.startsWith('#')) return `#${task.id}` === wanted;
  return task.name.toLowerCase().includes(wanted.toLowerCase());
}

/** A stretch without rows is quiet if it is long for this run. */
function quietMs(rows: readonly Row[]): number {
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined) return Infinity;
  return Math.max(1, (last.at - first.at) / 25);
}

function livesOf({ recording }: Story, { rows }: Timeline): Life[] {
  const lives = new Map<number, Life>();
  for (const row of rows) {
    if (row.mark === 'crash' || row.mark === 'exit') endTasksOf(row);
    if (row.kind !== 'step') continue;
    const life = lives.get(row.task) ?? { task: row.task, from: row, to: null };
    if (row.mark !== '') life.to = row;
    lives.set(row.task, life);
  }
  return [...lives.values()];

  function endTasksOf(row: Row): void {
    for (const life of lives.values()) {
      if (recording.tasks[life.task]?.host === row.host) life.to ??= row;
    }
  }
}

function columnsOf(story: Story, filter: Filter, lives: readonly Life[]): Column[] {
  const { hosts, tasks } = story.recording;
  const shown = [...hosts.entries()].filter(([host]) => !filter.hiddenHosts.has(host));
  const lanes = shown.map(([host]) => {
    return lanesOf(lives.filter(({ task }) => tasks[task]?.host === host));
  });
  const total = lanes.reduce((sum, { count }) => sum + count, 0);
  let left = TIME_WIDTH;
  return shown.map(([host, name], i) => {
    const { count, byTask } = lanes[i] as Lanes;
    const canExpand = count > 1 && count <= MAX_LANES;
    const isOpen =
      filter.expanded === null ? canExpand && total <= MAX_OPEN_LANES : filter.expanded.has(host);
    const isExpanded = canExpand && isOpen;
    const needed = isExpanded ? count * LANE_WIDTH + 40 : 0;
    const width = Math.max(filter.minColumn, needed, name.length * 8 + 40);
    const center = left + width / 2;
    const first = center - ((count - 1) * LANE_WIDTH) / 2;
    const places = [...byTask].map(([task, lane]) => [task, first + lane * LANE_WIDTH] as const);
    const column = { host, name, left, width, center, canExpand };
    left += width;
    return { ...column, lanes: new Map(isExpanded ? places : []) };
  });
}

interface Lanes {
  readonly count: number;
  readonly byTask: ReadonlyMap<number, number>;
}

/** A lane is free again when its task has ended. */
function lanesOf(lives: readonly Life[]): Lanes {
  const byTask = new Map<number, number>();
  /** The last row of each lane's task. */
  const ends: number[] = [];
  for (const { task, from, to } of lives) {
    const free = ends.findIndex((end) => end < from.index);
    const lane = free >= 0 ? free : ends.length;
    ends[lane] = to === null ? Infinity : to.index;
    byTask.set(task, lane);
    if (ends.length > MAX_LANES) break;
  }
  return { count: ends.length, byTask };
}
