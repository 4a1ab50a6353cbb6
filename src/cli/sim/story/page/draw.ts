/** Draws the visible part of the chart as SVG: bands, lifelines, messages, marks. */
import type { PageElement } from './dom.ts';
import { svg } from './dom.ts';
import type { Column, Layout } from './layout.ts';
import { ROW_HEIGHT, TIME_WIDTH } from './layout.ts';
import type { Message, Row } from './rows.ts';
import { clip, colorOf, timeText } from './texts.ts';

/** The visible part: rows from `first` to before `end`, and the range of heights. */
export interface Window {
  readonly first: number;
  readonly end: number;
  readonly top: number;
  readonly bottom: number;
  /** The height at which the reader sees the first row. */
  readonly visibleTop: number;
}

export function drawChart(layout: Layout, shown: Window, selected: Row | null): PageElement {
  const height = shown.bottom - shown.top;
  const chart = svg('svg', {
    width: layout.width,
    height,
    viewBox: `0 ${shown.top} ${layout.width} ${height}`,
    'aria-hidden': 'true',
  });
  chart.append(
    ...drawBands(layout, shown),
    ...layout.columns.flatMap((column) => drawLifelines(layout, column, shown)),
    ...drawGaps(layout, shown),
    ...layout.messages.flatMap((message) => drawMessage(layout, message, { shown, selected })),
    ...layout.rows.slice(shown.first, shown.end).flatMap((row) => drawMark(layout, row)),
  );
  return chart;
}

function drawBands(layout: Layout, { top, bottom, visibleTop }: Window): PageElement[] {
  return layout.bands().flatMap(({ host, kind, text, from, to }) => {
    const [begin, end] = [layout.yOf(from), to === null ? layout.height : layout.yOf(to)];
    const column = layout.columnOf(host);
    if (column === undefined || end < top || begin > bottom || end === begin) return [];
    const [y, until] = [Math.max(begin, top - 50), Math.min(end, bottom + 50)];
    const [x, width] = [column.left + 6, column.width - 12];
    const rect = svg('rect', { class: `band ${kind}`, x, y, width, height: until - y, rx: 6 });
    rect.append(svg('title', {}, text));
    const labelY = Math.min(Math.max(begin + 24, visibleTop + 18), end - 6);
    const label = svg('text', { class: `band-text ${kind}`, x: x + 8, y: labelY });
    label.textContent = clip(text, Math.floor(width / 6.6));
    return [rect, ...(end - begin > ROW_HEIGHT * 1.5 ? [label] : [])];
  });
}

function drawLifelines(layout: Layout, column: Column, shown: Window): PageElement[] {
  const { host, center } = column;
  const [top, bottom] = [shown.top, Math.min(shown.bottom, layout.height)];
  const line = { class: `lifeline ${colorOf(host)}`, y1: top, y2: bottom };
  if (column.lanes.size === 0) return [svg('line', { ...line, x1: center, x2: center })];
  return layout.lives.flatMap(({ task, from, to }) => {
    const x = column.lanes.get(task);
    const [begin, end] = [layout.yOf(from), to === null ? layout.height : layout.yOf(to)];
    if (x === undefined || end < top || begin > bottom) return [];
    const y = Math.max(begin, top - 20);
    const height = Math.max(4, Math.min(end, bottom + 20) - y);
    const bar = { class: `life ${colorOf(host)}`, x: x - 5, y, width: 10, height, rx: 5 };
    return [svg('rect', bar)];
  });
}

function drawGaps(layout: Layout, { first, end }: Window): PageElement[] {
  const drawn: PageElement[] = [];
  for (let index = first; index < end; index++) {
    const ms = layout.gapBefore(index);
    if (ms === 0) continue;
    const y = layout.topOf(index) - 12;
    drawn.push(
      svg('line', { class: 'gap', x1: TIME_WIDTH, x2: layout.width, y1: y, y2: y }),
      svg('text', { class: 'gap-text', x: TIME_WIDTH - 14, y: y + 4 }, `+ ${timeText(ms)}`),
    );
  }
  return drawn;
}

interface Ends {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

function drawMessage(
  layout: Layout,
  message: Message,
  { shown, selected }: { shown: Window; selected: Row | null },
): PageElement[] {
  const { from, to, send, end, isLost, text, task, receiver } = message;
  // A packet whose sending is hidden, because it has no data, begins where it is lost.
  const y1 = layout.yOf(layout.indexOf(send) < 0 && end !== null && isLost ? end : send);
  const lossY = Math.max(end === null ? 0 : layout.yOf(end), y1 + ROW_HEIGHT * 0.4);
  const y2 = isLost ? lossY : end === null ? layout.height : layout.yOf(end);
  if (y2 < shown.top || y1 > shown.bottom) return [];
  const x1 = layout.xOf(from, task);
  const far = layout.xOf(to, receiver);
  const x2 = isLost ? x1 + (far - x1) * 0.55 : far;
  const kind = isLost ? 'lost' : end === null ? 'flying' : 'arrived';
  const isSelected = selected !== null && selected.message === send.message && send.message > 0;
  const style = `${kind} ${colorOf(from)}${send.isControl ? ' control' : ''}`;
  const group = svg('g', { class: `message ${style}${isSelected ? ' selected' : ''}` });
  const ends = { x1, y1, x2, y2 };
  group.append(svg('line', { ...ends }), ...headOf(ends, kind));
  if (!send.isControl || isLost)
    group.append(labelOf(ends, clip(text.replace(/^\d+ bytes? (?=")/, ''), 18)));
  const latency = end === null ? 'in flight' : timeText(end.at - message.sentAt);
  group.append(svg('title', {}, `${text}, ${isLost ? 'lost' : latency}`));
  return [group];
}

function headOf({ x1, y1, x2, y2 }: Ends, kind: string): PageElement[] {
  if (kind === 'flying') return [];
  if (kind === 'lost') {
    const cross = `M${x2 - 5} ${y2 - 5}l10 10m0 -10l-10 10`;
    return [svg('path', { class: 'cross', d: cross })];
  }
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length];
  const [bx, by] = [x2 - ux * 10, y2 - uy * 10];
  const points = `${x2},${y2} ${bx - uy * 4.5},${by + ux * 4.5} ${bx + uy * 4.5},${by - ux * 4.5}`;
  return [svg('polygon', { class: 'head', points })];
}

/** At the sending end, above the line. */
function labelOf({ x1, y1, x2 }: Ends, text: string): PageElement {
  const isRight = x2 > x1;
  const label = svg('text', { class: 'label', x: x1 + (isRight ? 10 : -10), y: y1 - 5 }, text);
  label.setAttribute('text-anchor', isRight ? 'start' : 'end');
  return label;
}

function drawMark(layout: Layout, row: Row): PageElement[] {
  const column = layout.columnOf(row.host);
  if (column === undefined) return [];
  const [x, y] = [layout.xOf(row.host, row.task), layout.yOf(row)];
  const color = colorOf(row.host);
  if (row.kind === 'failure') return [failureMark(layout, x, y)];
  if (row.kind === 'step') {
    const style = { failed: 'error', ended: `step ${color} ended` }[row.mark] ?? `step ${color}`;
    return [svg('circle', { class: `mark ${style}`, cx: x, cy: y, r: 4.5 })];
  }
  if (row.kind === 'choice') {
    return [svg('path', { class: 'mark choice', d: `M${x} ${y - 6}l6 6l-6 6l-6 -6z` })];
  }
  if (row.kind !== 'world') return [];
  if (row.mark === 'crash') return [crossMark('mark failed', x, y)];
  if (row.mark === 'fault') {
    return [svg('path', { class: 'mark fault', d: `M${x + 2} ${y - 9}l-8 11h5l-1 8l8 -11h-5z` })];
  }
  const style = { partition: 'cut', drop: 'cut', hold: 'hold' }[row.mark] ?? color;
  return [
    svg('rect', { class: `mark ${style}`, x: x - 5, y: y - 5, width: 10, height: 10, rx: 2 }),
  ];
}

function crossMark(style: string, x: number, y: number): PageElement {
  return svg('g', { class: style }, svg('circle', { cx: x, cy: y, r: 8 }), crossPath(x, y));
}

function crossPath(x: number, y: number): PageElement {
  return svg('path', { d: `M${x - 3.5} ${y - 3.5}l7 7m0 -7l-7 7` });
}

/** The end of the run: a line across all columns, and a mark at the failed task. */
function failureMark(layout: Layout, x: number, y: number): PageElement {
  const line = svg('line', { x1: TIME_WIDTH, x2: layout.width, y1: y, y2: y });
  return svg('g', { class: 'failure' }, line, crossMark('mark failed', x, y));
}
