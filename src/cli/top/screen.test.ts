import { describe, expect, test } from 'vitest';
import { playGroup } from '../../../test/support/kernel/virtual-host.ts';
import { sleep, sleepForever } from '../../index.ts';
import type { InspectSnapshot } from '../../inspect/snapshot.ts';
import { inspectSnapshot } from '../../inspect/snapshot.ts';
import type { TopState } from './screen.ts';
import { bytesText, renderOnce, renderScreen, rowsOf, silenceText } from './screen.ts';
import { Session } from './session.ts';

/** A program with 30 jobs, a parent with a child, and the given numbers. */
function snapshotOf(extra: Partial<InspectSnapshot> = {}): InspectSnapshot {
  const snapshot = playGroup(function* (tasks) {
    for (let i = 0; i < 30; i++) tasks.spawn(() => sleepForever(), { name: `job ${i}` });
    yield* sleep(2000);
    tasks.spawn(() => sleepForever(), { name: 'late' });
    yield* sleep(1000);
    const taken = inspectSnapshot();
    tasks.cancel();
    return taken;
  });
  return { ...snapshot, title: 'node server.mjs', node: 'v22.0.0', coronet: '0.1.0', ...extra };
}

function stateOf(changes: Partial<TopState> = {}): TopState {
  return {
    title: 'process 7',
    snapshot: snapshotOf(),
    previous: undefined,
    sort: 'tree',
    selected: 0,
    showsSite: false,
    silentMs: 0,
    holder: undefined,
    ...changes,
  };
}

describe('the screen of coronet top', () => {
  test('shows the process, the loop, the connections and a row for each node', () => {
    expect(renderOnce(stateOf()).split('\n')).toEqual([
      'process 7  node server.mjs  up 0 ms  node v22.0.0  coronet 0.1.0',
      'process: 0 % CPU, 0 B resident, 0 B heap',
      'tasks: 32, 0 ready, 0 timers, 31 external waits, 0 steps/s, 0 spawned/s',
      'loop: lag 0 ms, longest turn 0 ms, longest step not known',
      'connections: 0, 0 receiving, 0 sending, 0 other, in 0 B/s, out 0 B/s',
      '   COUNT  WAITING      RUN  TASK',
      '       1                    main (task 1): running',
      '      30      3 s             30 × job *: sleep forever',
      '       1      1 s             late (task 32): sleep forever',
    ]);
  });

  test('shows rates from two snapshots, servers, the longest step and the slowest tasks', () => {
    const server = { name: '127.0.0.1:80', open: 3, bytesReceived: 5_000_000, bytesSent: 0 };
    const slow = { id: 2, name: 'parse', runMs: 1500 };
    const snapshot = snapshotOf({
      uptimeMs: 12_000,
      cpu: { userMs: 900, systemMs: 100 },
      servers: [server],
      slowest: [slow],
      loop: { longestMs: 40, lagMs: 3, longestStep: slow },
    });
    const servers = [{ ...server, bytesReceived: 0 }];
    const previous = snapshotOf({ uptimeMs: 10_000, servers });
    const lines = renderScreen(stateOf({ snapshot, previous }), 200, 40);
    expect(lines).toContain('process: 50 % CPU, 0 B resident, 0 B heap');
    expect(lines[3]).toBe(
      "loop: lag 3 ms, longest turn 40 ms, longest step 1.5 s (task 2 'parse')",
    );
    expect(lines[4]).toContain('in 2.5 MB/s, out 0 B/s');
    expect(lines[5]).toMatch(/^server 127.0.0.1:80: 3 open, 0 stalled/);
    expect(lines[6]).toBe("slowest: task 2 'parse' 1.5 s");
  });

  test.each([
    [40, 10],
    [80, 24],
    [10, 3],
  ])('fits into a terminal of %d columns and %d lines', (width, height) => {
    const lines = renderScreen(stateOf({ selected: 2, showsSite: true }), width, height);
    expect(lines.length).toBeLessThanOrEqual(height);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(width);
  });

  test('shows the selected row and a silence on a terminal of 20 columns and 6 lines', () => {
    const lines = renderScreen(stateOf({ selected: 1, silentMs: 2100 }), 20, 6);
    expect(lines[1]).toMatch(/^No answer for 2 s/);
    expect(lines.filter((line) => line.startsWith('>'))).toHaveLength(1);
  });

  test('scrolls to the selected row', () => {
    const [selected] = renderScreen(stateOf({ selected: 2 }), 100, 9).filter((line) => {
      return line.startsWith('>');
    });
    expect(selected).toContain('late (task 32)');
  });

  test('shows the spawn site of the selected task, or that debug mode is needed', () => {
    const snapshot = snapshotOf();
    const site = (state: Partial<TopState>) => {
      return renderScreen(stateOf({ showsSite: true, ...state }), 200, 40).at(-2);
    };
    expect(site({ snapshot })).toContain('CORONET_DEBUG=1');
    const root = { ...snapshot.tree.root, spawnedAt: 'server.mjs:7:3' };
    const tree = { ...snapshot.tree, root } as InspectSnapshot['tree'];
    expect(site({ snapshot: { ...snapshot, tree } })).toContain('spawned at server.mjs:7:3');
  });

  test('names the task that holds the loop of a process without an answer, if it is known', () => {
    const lines = renderScreen(
      stateOf({ silentMs: 2100, holder: { id: 7, name: 'parse' } }),
      99,
      40,
    );
    expect(lines).toContain("No answer for 2 s: the loop is held by task 7 'parse'");
    expect(silenceText(61_000, undefined)).toBe(
      'No answer for 61 s: the loop is held by a task or by other code, or the process is stopped',
    );
  });

  test.each([
    ['count', ['job *', 'main', 'late']],
    ['waiting', ['job *', 'late', 'main']],
    ['name', ['job *', 'late', 'main']],
    ['tree', ['main', 'job *', 'late']],
  ] as const)('sorts its rows by %s', (sort, names) => {
    expect(rowsOf(snapshotOf(), sort).map(({ node }) => node.name)).toEqual(names);
  });

  test.each([
    [999, '999 B'],
    [1234, '1.2 kB'],
    [56_789_000, '57 MB'],
  ])('shows %d bytes as %s', (bytes, text) => {
    expect(bytesText(bytes)).toBe(text);
  });
});

describe('the keys of coronet top', () => {
  const snapshot = snapshotOf();

  test('select a row within the table, expand it, change the order and end the command', () => {
    const session = new Session();
    session.press('\x1b[A', snapshot);
    expect(session.selected).toBe(0);
    session.press('\x1b[B\x1b[Bjj', snapshot);
    expect(session.selected).toBe(2);
    session.press('ws', snapshot);
    expect(session).toMatchObject({ sort: 'waiting', showsSite: true, quits: false });
    session.press('q', snapshot);
    expect(session.quits).toBe(true);
  });

  test('expand the parent of a row with several tasks, and collapse it again', () => {
    const session = new Session();
    session.press('j\r', snapshot);
    expect([...session.expanded]).toEqual([1]);
    session.press('\r', snapshot);
    expect([...session.expanded]).toEqual([]);
  });

  test('have no effect on a table that has not been received', () => {
    const session = new Session();
    session.press('jjj\r\x03', undefined);
    expect(session).toMatchObject({ selected: 0, quits: true });
  });
});
