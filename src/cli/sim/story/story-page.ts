/** The page of a story: reads the JSON in the document and fills the skeleton of html.ts. */

import { Chart } from './page/chart.ts';
import { byId, copyText, html, page, view } from './page/dom.ts';
import type { Filter } from './page/layout.ts';
import type { Row } from './page/rows.ts';
import { timelineOf } from './page/rows.ts';
import { colorOf, describe, plural, timeText } from './page/texts.ts';
import type { Story } from './story.ts';

/** Runs with more rows begin without the steps of tasks and without packets such as SYN. */
const MAX_ALL_ROWS = 400;
/** A chart that is narrower, in pixels, has narrow columns. */
const NARROW = 700;
/** Task names that the field for the filter suggests. */
const MAX_SUGGESTIONS = 200;

const story = JSON.parse(byId('story').textContent ?? '') as Story;
const timeline = timelineOf(story);
const isShort = timeline.rows.length <= MAX_ALL_ROWS;
let filter: Filter = {
  hiddenHosts: new Set(),
  task: '',
  showsSteps: isShort,
  showsControl: isShort,
  minColumn: byId('chart').clientWidth < NARROW ? 76 : 120,
  expanded: null,
};
const chart = new Chart(story, timeline, filter);

fillHead();
fillCommands();
fillSide();
fillFilters();
chart.onSelect = showDetails;
chart.onColumn = toggleColumn;
apply({});
chart.showFailure();

function fillHead(): void {
  const { failure, file, seed, order, virtualMs, steps } = story;
  page.title = `${failure === null ? 'Succeeded' : 'Failed'}: ${file}, seed ${seed}`;
  byId('status').textContent = failure === null ? 'Succeeded' : 'Failed';
  byId('status').setAttribute('class', failure === null ? 'status ok' : 'status');
  const [line = ''] = (failure?.message ?? '').split('\n', 1);
  byId('title').replaceChildren(
    ...(failure === null ? [`${file} succeeded`] : [html('span', {}, `${failure.name}: `), line]),
  );
  const where = [];
  if (failure !== null && failure.host !== '') where.push(`host ${failure.host}`);
  if (failure !== null && failure.chain.length > 0) where.push(`task ${failure.chain[0]}`);
  const facts = [
    ...where,
    `at ${timeText(virtualMs)} of virtual time`,
    plural(steps, 'step'),
    `seed ${seed}`,
    `order ${order}`,
    file,
  ];
  byId('facts').replaceChildren(...facts.map((fact) => html('li', {}, fact)));
  byId('note').textContent = story.note;
  byId('note').hidden = story.note === '';
}

function fillCommands(): void {
  byId('commands').replaceChildren(
    ...story.commands.map((command) => {
      const button = html('button', { type: 'button', class: 'copy' }, 'Copy');
      button.addEventListener('click', async () => {
        button.textContent = (await copyText(command)) ? 'Copied' : 'Select and copy';
      });
      return html('div', { class: 'command' }, html('code', {}, command), button);
    }),
  );
}

function fillSide(): void {
  const { failure, choices, recording } = story;
  const sections = [];
  if (failure !== null) {
    const stack = failure.stack === '' ? `${failure.name}: ${failure.message}` : failure.stack;
    sections.push(section('The error', html('pre', {}, stack)));
    if (failure.chain.length > 0) sections.push(section('In these tasks', chainOf(failure.chain)));
  }
  if (choices !== null) sections.push(section('Random choices', choicesOf(choices)));
  if (failure !== null && failure.tasks.length > 0) {
    const list = html(
      'ul',
      { class: 'tasks' },
      ...failure.tasks.map((text) => html('li', {}, text)),
    );
    sections.push(section(`Unfinished tasks (${failure.tasks.length})`, list));
  }
  if (recording.omitted > 0) {
    const count = plural(recording.omitted, 'earlier event');
    sections.push(section('Not shown', html('p', {}, `${count} of the run. The last are here.`)));
  }
  byId('side').replaceChildren(...sections);
  byId('side').hidden = sections.length === 0;
}

function section(title: string, ...content: (string | ReturnType<typeof html>)[]) {
  return html('section', {}, html('h2', {}, title), ...content);
}

function chainOf(chain: readonly string[]) {
  return html('ol', { class: 'chain' }, ...chain.map((name) => html('li', {}, name)));
}

function choicesOf({ left, of }: { left: number; of: number }) {
  const text =
    left === 0
      ? `The run fails the same way without any of its ${of} random choices.`
      : `${left} of ${plural(of, 'random choice')} are enough for this failure. ` +
        'All others have their defaults: the first ready task, the least latency, no fault.';
  const rows = timeline.rows.filter(({ kind }) => kind === 'choice');
  const items = rows.map((row) => {
    const item = html('button', { type: 'button' }, timeText(row.at));
    item.addEventListener('click', () => chart.reveal(row));
    return html('li', {}, item, ` ${row.text.replace('random choice: ', '')}`);
  });
  return html('div', {}, html('p', {}, text), html('ul', { class: 'choices' }, ...items));
}

function fillFilters(): void {
  const { hosts, tasks } = story.recording;
  const boxes = hosts.map((name, host) => {
    const box = html('input', { type: 'checkbox', checked: '' });
    box.addEventListener('change', () => {
      const hidden = new Set(filter.hiddenHosts);
      if (box.checked) hidden.delete(host);
      else hidden.add(host);
      apply({ hiddenHosts: hidden });
    });
    return html('label', { class: `chip ${colorOf(host)}` }, box, name);
  });
  byId('hosts').replaceChildren(...boxes);
  const names = [...new Set(tasks.map(({ name }) => name))].slice(0, MAX_SUGGESTIONS);
  byId('task-names').replaceChildren(...names.map((name) => html('option', { value: name })));
  byId('task').addEventListener('input', () => apply({ task: byId('task').value.trim() }));
  byId('steps').checked = filter.showsSteps;
  byId('control').checked = filter.showsControl;
  byId('steps').addEventListener('change', () => apply({ showsSteps: byId('steps').checked }));
  byId('control').addEventListener('change', () =>
    apply({ showsControl: byId('control').checked }),
  );
  byId('end').addEventListener('click', () => chart.showFailure());
  view.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.target === byId('task'))
      return;
    byId('task').focus();
    event.preventDefault();
  });
}

function toggleColumn(host: number): void {
  const open = chart.layout.columns.filter(({ lanes }) => lanes.size > 0).map((each) => each.host);
  const expanded = new Set(open);
  if (expanded.has(host)) expanded.delete(host);
  else expanded.add(host);
  apply({ expanded });
}

function apply(change: Partial<Filter>): void {
  filter = { ...filter, ...change };
  chart.show(filter);
  const [shown, all] = [chart.rows.length, timeline.rows.length];
  const count =
    shown === all
      ? plural(all, 'event')
      : `${shown.toLocaleString('en')} of ${plural(all, 'event')}`;
  byId('count').textContent = count;
}

function showDetails(row: Row | null): void {
  if (row === null) return;
  const task = story.recording.tasks[row.task];
  const chain: string[] = [];
  for (let at = task; at !== undefined; at = story.recording.tasks[at.parent]) {
    chain.push(`${at.name} #${at.id}`);
  }
  const around = chain.length > 1 ? html('small', {}, `in ${chain.slice(1).join(', in ')}`) : '';
  byId('details').replaceChildren(
    html('time', {}, timeText(row.at)),
    ...describe(story, timeline, row),
    around,
  );
}
