/**
 * The chart: a scrolled list of rows with the drawing below. Only the rows near the visible part
 * exist in the document, so a run of fifty thousand events scrolls like a run of fifty.
 */
import type { Story } from '../story.ts';
import type { PageElement } from './dom.ts';
import { byId, html, view } from './dom.ts';
import { drawChart } from './draw.ts';
import type { Filter } from './layout.ts';
import { Layout, ROW_HEIGHT } from './layout.ts';
import type { Row, Timeline } from './rows.ts';
import { colorOf, describe, timeText } from './texts.ts';

/** Pixels above and below the visible part that are drawn as well. */
const MARGIN = 400;
/** The maximum number of rows that are printed: the last ones. */
const MAX_PRINTED = 1500;

export class Chart {
  readonly #story: Story;
  readonly #timeline: Timeline;
  readonly #scroller = byId('chart');
  readonly #canvas = byId('canvas');
  #layout: Layout;
  #selected: Row | null = null;
  #isPrinting = false;
  #isDrawn = true;
  /** Called when a row is selected, and when the host of a column is clicked. */
  onSelect: (row: Row | null) => void = () => {};
  onColumn: (host: number) => void = () => {};

  constructor(story: Story, timeline: Timeline, filter: Filter) {
    this.#story = story;
    this.#timeline = timeline;
    this.#layout = new Layout(story, timeline, filter);
    this.#scroller.addEventListener('scroll', () => this.#drawSoon());
    this.#scroller.addEventListener('keydown', (event) => {
      const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 15, PageUp: -15 }[event.key];
      if (event.key === 'End') this.showFailure();
      else if (event.key === 'Home') this.#select(0);
      else if (step !== undefined) this.move(step);
      else return;
      event.preventDefault();
    });
    view.addEventListener('resize', () => this.#drawSoon());
    view.addEventListener('beforeprint', () => this.#setPrinting(true));
    view.addEventListener('afterprint', () => this.#setPrinting(false));
  }

  get rows(): readonly Row[] {
    return this.#layout.rows;
  }

  get layout(): Layout {
    return this.#layout;
  }

  /** Applies a filter. The row in the middle stays where it is. */
  show(filter: Filter): void {
    const middle = this.#scroller.scrollTop + this.#scroller.clientHeight / 2;
    const anchor = this.#layout.rows[this.#layout.firstAt(middle)];
    this.#layout = new Layout(this.#story, this.#timeline, filter);
    if (anchor !== undefined) {
      this.#scroller.scrollTop = this.#layout.yOf(anchor) - this.#scroller.clientHeight / 2;
    }
    this.draw();
  }

  /** Scrolls to the end of the run. */
  showFailure(): void {
    this.#select(this.rows.length - 1);
  }

  /** Selects a row, if the filter shows it. */
  reveal(row: Row): void {
    const index = this.#layout.indexOf(row);
    if (index >= 0) this.#select(index);
  }

  /** Selects the row that is `by` rows further. */
  move(by: number): void {
    const at = this.#selected === null ? -1 : this.#layout.indexOf(this.#selected);
    const start = at < 0 ? this.#layout.firstAt(this.#scroller.scrollTop) : at + by;
    this.#select(Math.max(0, Math.min(this.rows.length - 1, start)));
  }

  #select(index: number): void {
    this.#selected = this.rows[index] ?? null;
    const top = this.#layout.topOf(Math.max(0, index)) ?? 0;
    const { scrollTop, clientHeight } = this.#scroller;
    const isVisible = top >= scrollTop && top + 3 * ROW_HEIGHT <= scrollTop + clientHeight;
    if (!isVisible) this.#scroller.scrollTop = top - clientHeight * 0.75;
    this.onSelect(this.#selected);
    this.draw();
  }

  #setPrinting(isPrinting: boolean): void {
    this.#isPrinting = isPrinting;
    this.draw();
  }

  #drawSoon(): void {
    if (!this.#isDrawn) return;
    this.#isDrawn = false;
    view.requestAnimationFrame(() => this.draw());
  }

  draw(): void {
    this.#isDrawn = true;
    const layout = this.#layout;
    const { scrollTop, clientHeight } = this.#scroller;
    const top = this.#isPrinting ? 0 : Math.max(0, scrollTop - MARGIN);
    const bottom = Math.min(layout.height + 14, scrollTop + clientHeight + MARGIN);
    const all = { first: Math.max(0, this.rows.length - MAX_PRINTED), end: this.rows.length };
    const some = {
      first: layout.firstAt(top),
      end: Math.min(layout.firstAt(bottom) + 1, this.rows.length),
    };
    const { first, end } = this.#isPrinting ? all : some;
    const begin = this.#isPrinting ? (layout.topOf(first) ?? 0) : top;
    const until = this.#isPrinting ? layout.height + 14 : bottom;
    const visibleTop = this.#isPrinting ? begin : scrollTop;
    const shown = { first, end, top: begin, bottom: until, visibleTop };
    const origin = this.#isPrinting ? begin : 0;
    this.#canvas.style.setProperty('height', `${layout.height + 14 - origin}px`);
    this.#scroller.style.setProperty('--chart', `${layout.width}px`);
    this.#drawHeadings();
    const chart = drawChart(layout, shown, this.#selected);
    chart.style.setProperty('top', `${begin - origin}px`);
    const rows = this.rows.slice(first, end).map((row, i) => this.#rowOf(row, first + i, origin));
    this.#canvas.replaceChildren(html('div', { class: 'drawing' }, chart), ...rows);
  }

  #drawHeadings(): void {
    const heads = this.#layout.columns.map(({ host, name, left, width, canExpand, lanes }) => {
      const isOpen = lanes.size > 0;
      const sign = canExpand ? html('span', { class: 'sign' }, isOpen ? '▾' : '▸') : '';
      const label = html('button', { class: `host ${colorOf(host)}`, type: 'button' }, name, sign);
      if (canExpand) {
        label.setAttribute('aria-expanded', `${isOpen}`);
        label.setAttribute('title', isOpen ? 'Hide its tasks' : 'Show its tasks');
        label.addEventListener('click', () => this.onColumn(host));
      }
      const head = html('div', { class: 'column' }, label);
      head.style.setProperty('left', `${left}px`);
      head.style.setProperty('width', `${width}px`);
      return head;
    });
    byId('headings').replaceChildren(html('span', { class: 'time-head' }, 'time'), ...heads);
  }

  #rowOf(row: Row, index: number, origin: number): PageElement {
    const before = this.rows[index - 1];
    const isSame = before !== undefined && before.until === row.at;
    const time = html('span', { class: isSame ? 'time same' : 'time' }, timeText(row.at));
    const element = html(
      'div',
      {
        class: `row ${row.kind} ${row.mark}${row === this.#selected ? ' selected' : ''}`,
        role: 'listitem',
        'aria-setsize': this.rows.length,
        'aria-posinset': index + 1,
        ...(row === this.#selected ? { 'aria-current': 'true' } : {}),
      },
      time,
      html('span', { class: 'what' }, ...describe(this.#story, this.#timeline, row)),
    );
    element.style.setProperty('top', `${this.#layout.topOf(index) - origin}px`);
    element.addEventListener('click', () => this.#select(index));
    return element;
  }
}
