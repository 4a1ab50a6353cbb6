import { describe, expect, it } from 'vitest';
import type { RecordedEntry, Recording } from '../../../../sim/report/recording.ts';
import type { Story } from '../story.ts';
import type { Filter } from './layout.ts';
import { GAP_HEIGHT, Layout, ROW_HEIGHT } from './layout.ts';
import type { Row } from './rows.ts';
import { timelineOf } from './rows.ts';

const HOSTS = ['main', 'a', 'b'];
const TASKS: Recording['tasks'] = HOSTS.flatMap((name, host) => [
  { host, starts: 1, id: 1, name, parent: -1 },
  { host, starts: 1, id: 2, name: `${name} worker`, parent: host * 2 },
]);

function storyOf(entries: RecordedEntry[], failure: Partial<Story['failure']> = {}): Story {
  const recording = { hosts: HOSTS, tasks: TASKS, entries, omitted: 0 };
  const error = { name: 'Error', message: 'broken', stack: '', host: '', chain: [], tasks: [] };
  return {
    ...{ file: 'x.mjs', seed: 1, order: 'fifo', virtualMs: 1000, steps: 1, isReplay: true },
    ...{ commands: [], note: '', choices: null, recording },
    failure: { ...error, ...failure },
  };
}

function step(at: number, task: number, rest: Partial<RecordedEntry> = {}): RecordedEntry {
  const defaults = { resumed: '', waitsFor: 'sleep 1 ms', state: 'waiting' } as const;
  return { type: 'step', at, task, ...defaults, ...rest } as RecordedEntry;
}

function world(at: number, kind: string, host: number, peer = -1): RecordedEntry {
  return { type: 'world', at, kind, host, peer, text: '' };
}

function message(id: number, from: number, to: number, times: [number, number]): RecordedEntry[] {
  const send = { type: 'send', at: times[0], message: id, from, to, text: '5 bytes', task: -1 };
  return [send, { type: 'arrive', at: times[1], message: id }] as RecordedEntry[];
}

const ALL: Filter = {
  ...{ hiddenHosts: new Set(), task: '', showsSteps: true, showsControl: true },
  ...{ minColumn: 120, expanded: null },
};

function texts(rows: readonly Row[]): string[] {
  return rows.map(({ kind, text }) => `${kind}: ${text}`);
}

describe('the rows of a story', () => {
  it('join consecutive steps of a task, and end with the failure', () => {
    const { rows } = timelineOf(
      storyOf([step(0, 1), step(5, 1), step(9, 1, { state: 'done' }), step(9, 3)]),
    );
    expect(texts(rows)).toEqual([
      'step: ends',
      'step: waits for sleep 1 ms',
      'failure: Error: broken',
    ]);
    expect(rows[0]).toMatchObject({ count: 3, at: 0, until: 9, mark: 'ended' });
  });

  it('place the failure at the failed task, and without one at the last step', () => {
    const entries = [step(0, 2), step(1, 3), step(2, 4)];
    const last = timelineOf(storyOf(entries)).rows.at(-1);
    expect(last).toMatchObject({ kind: 'failure', host: 2, task: 4 });
    const named = timelineOf(storyOf(entries, { host: 'a', chain: ['a worker', 'a'] }));
    expect(named.rows.at(-1)).toMatchObject({ host: 1, task: 3 });
    expect(timelineOf(storyOf([])).rows).toHaveLength(1);
  });

  it('join the directions and the pairs of a partition, and shade the host that is cut off', () => {
    const pairs = [world(5, 'partition', 1, 0), world(5, 'partition', 0, 1)];
    const more = [world(5, 'partition', 1, 2), world(5, 'partition', 2, 1)];
    const heal = [world(9, 'heal', 1, 0), world(9, 'heal', 0, 1)];
    const { rows, bands } = timelineOf(storyOf([...pairs, ...more, ...heal]));
    expect(texts(rows).slice(0, 2)).toEqual([
      'world: partition a ⇄ main, b',
      'world: heal a ⇄ main',
    ]);
    expect(bands.map(({ host, kind, text }) => [host, kind, text])).toEqual([
      [1, 'cut', 'cut off'],
      [1, 'cut', 'cut off: b'],
      [2, 'cut', 'cut off: a'],
    ]);
    expect(bands[0]?.from).toBe(rows[0]);
    expect(bands[1]?.to).toBeNull();
  });

  it('shade a host between its crash and its restart', () => {
    const { rows, bands } = timelineOf(storyOf([world(1, 'crash', 2), world(7, 'start', 2)]));
    expect(bands).toEqual([{ host: 2, kind: 'down', text: 'crashed', from: rows[0], to: rows[1] }]);
  });

  it('pair both ends of a message with the task that it wakes', () => {
    const wake = { type: 'wake', at: 4, task: 3, reason: 'network', by: -1, message: 1 } as const;
    const { messages, rows } = timelineOf(storyOf([...message(1, 0, 1, [1, 4]), wake]));
    expect(messages.get(1)).toMatchObject({ sentAt: 1, receiver: 3, isLost: false });
    expect(messages.get(1)?.end).toBe(rows[1]);
  });
});

describe('the layout of a story', () => {
  const entries = [
    step(0, 0),
    ...message(1, 0, 1, [0, 1]),
    ...message(2, 0, 2, [1, 2]),
    step(2, 4),
    step(900, 5, { state: 'failed', error: 'Error: no' }),
  ];
  const story = storyOf(entries);
  const layoutOf = (filter: Partial<Filter>): Layout => {
    return new Layout(story, timelineOf(story), { ...ALL, ...filter });
  };

  it('marks a quiet stretch before the row that ends it', () => {
    const layout = layoutOf({});
    const index = layout.rows.findIndex(({ at }) => at === 900);
    expect(layout.gapBefore(index)).toBe(898);
    expect(layout.topOf(index) - layout.topOf(index - 1)).toBe(ROW_HEIGHT + GAP_HEIGHT);
    expect(layout.firstAt(layout.topOf(index) + 1)).toBe(index);
  });

  it('leaves out the column, the rows and the messages of a hidden host', () => {
    const layout = layoutOf({ hiddenHosts: new Set([2]) });
    expect(layout.columns.map(({ name }) => name)).toEqual(['main', 'a']);
    expect(layout.rows.every(({ host, kind }) => host !== 2 || kind === 'failure')).toBe(true);
    expect(layout.messages.map(({ to }) => to)).toEqual([1]);
  });

  it('filters by part of a task name and by its number', () => {
    expect(texts(layoutOf({ task: 'B WORK' }).rows)).toEqual([
      'step: fails: Error: no',
      'failure: Error: broken',
    ]);
    expect(layoutOf({ task: '#1' }).rows.filter(({ kind }) => kind === 'step')).toHaveLength(2);
  });

  it('hides steps, but not those that fail', () => {
    const kinds = layoutOf({ showsSteps: false }).rows.map(({ kind }) => kind);
    expect(kinds).toEqual(['send', 'arrive', 'send', 'arrive', 'step', 'failure']);
  });

  it('has a lane for each task of a host that is expanded', () => {
    const open = layoutOf({ expanded: new Set([2]) }).columns[2];
    expect(open?.lanes.size).toBe(2);
    expect(new Set(open?.lanes.values()).size).toBe(2);
    expect(layoutOf({ expanded: new Set() }).columns[2]?.lanes.size).toBe(0);
  });
});
