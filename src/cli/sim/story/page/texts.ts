/** Texts of the page. */
import type { Story } from '../story.ts';
import type { PageElement } from './dom.ts';
import { html } from './dom.ts';
import type { Row, Timeline } from './rows.ts';

/** "812.4 ms", "1.25 s". */
export function timeText(ms: number): string {
  if (ms >= 10_000) return `${Number((ms / 1000).toFixed(2))} s`;
  return `${Number(ms.toFixed(ms < 100 ? 3 : 1))} ms`;
}

export function clip(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, Math.max(1, max - 1))}…`;
}

export function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

const COLORS = 8;

/** The class that sets the colour of a host. */
export function colorOf(host: number): string {
  return `h${host % COLORS}`;
}

/** The texts of a row: host, task, what happened, remarks. */
export function describe(story: Story, { messages }: Timeline, row: Row): PageElement[] {
  const { hosts, tasks } = story.recording;
  const parts = [html('b', { class: colorOf(row.host) }, hosts[row.host] ?? '')];
  const task = tasks[row.task];
  if (task !== undefined) parts.push(html('i', {}, `${task.name} #${task.id}`));
  const message = messages.get(row.message);
  if (message === undefined) parts.push(html('span', {}, row.text));
  if (message !== undefined && row.kind === 'send') {
    parts.push(html('span', {}, `sends ${hosts[message.to]} ${row.text}`));
  } else if (message !== undefined && row.kind === 'arrive') {
    const text = html('span', {}, `receives from ${hosts[message.from]} ${row.text}`);
    parts.push(text, html('small', {}, `after ${timeText(row.at - message.sentAt)}`));
  } else if (message !== undefined) {
    parts.push(html('span', {}, `message to ${hosts[message.to]} is lost: ${row.text}`));
  }
  if (row.count > 1) {
    const until = row.until === row.at ? '' : `, until ${timeText(row.until)}`;
    parts.push(html('small', {}, `${plural(row.count, 'step')}${until}`));
  }
  return parts;
}
