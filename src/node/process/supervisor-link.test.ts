import { beforeEach, expect, test } from 'vitest';
import { FakePlatform } from '../../../test/support/server/fake-platform.ts';
import type { Timer } from '../../kernel/timers.ts';
import { Timers } from '../../kernel/timers.ts';
import type { ParentProcess } from '../../world/platform.ts';
import type { StatsSource } from '../../world/world.ts';
import { supervisorOf } from './supervisor-link.ts';

/** A fake supervisor. */
class FakeParent implements ParentProcess {
  readonly sent: unknown[] = [];
  receive: (message: unknown) => void = () => {};
  disconnect: () => void = () => {};

  send(message: unknown): boolean {
    this.sent.push(message);
    return true;
  }

  onMessage(signals: (message: unknown) => void): () => void {
    this.receive = signals;
    return () => {
      this.receive = () => {};
    };
  }

  onDisconnect(signals: () => void): () => void {
    this.disconnect = signals;
    return () => {
      this.disconnect = () => {};
    };
  }
}

/** The timers of a scheduler. */
const timers = new Timers();
const scheduler = {
  now: () => 5,
  arm: (timer: Timer, at: number) => timers.arm(timer, at),
  disarm: (timer: Timer) => timers.disarm(timer),
};

/** Fires the timers that are due. */
function turn(): void {
  for (let due = timers.takeDue(5); due !== undefined; due = timers.takeDue(5)) {
    due.target.expire(due);
  }
}

let platform: FakePlatform;
let parent: FakeParent;
let signals: string[];
const showTasks = (): void => void signals.push('show-tasks');
const running: StatsSource[] = [];

function startLink() {
  const link = supervisorOf(platform);
  if (link === undefined) throw new Error('expected a worker');
  const program = { program: { servers: running.values() }, scheduler, showTasks };
  const stopListening = link.listen(program, (signal) => signals.push(signal));
  return { link, stopListening };
}

beforeEach(() => {
  platform = new FakePlatform();
  parent = new FakeParent();
  platform.parent = parent;
  platform.variables.set('CORONET_WORKER', '1');
  signals = [];
});

test('a process is a worker only with a parent and CORONET_WORKER', () => {
  platform.parent = undefined;
  expect(supervisorOf(platform)).toBeUndefined();
  platform = new FakePlatform();
  platform.parent = parent;
  expect(supervisorOf(platform)).toBeUndefined();
});

test('child processes of a worker do not inherit CORONET_WORKER', () => {
  startLink().stopListening();
  expect(platform.environment('CORONET_WORKER')).toBeUndefined();
  expect(supervisorOf(platform)).toBeDefined();
});

test('the first request to stop is the first signal; a cut by the supervisor is the second', () => {
  startLink();
  platform.signal('SIGINT');
  platform.signal('SIGHUP');
  expect(signals).toEqual([]);
  platform.signal('SIGTERM');
  parent.receive({ kind: 'stop' });
  platform.signal('SIGTERM');
  parent.receive({ kind: 'stop' });
  expect(signals).toEqual(['SIGTERM']);
  parent.receive({ kind: 'cut' });
  expect(signals).toEqual(['SIGTERM', 'SIGTERM']);
});

test('a cut without a stop counts as both signals', () => {
  startLink();
  parent.receive({ kind: 'cut' });
  expect(signals).toEqual(['SIGTERM', 'SIGTERM']);
});

test('a worker whose supervisor has exited drains and then observes signals', () => {
  startLink();
  parent.disconnect();
  expect(signals).toEqual(['SIGTERM']);
  platform.signal('SIGINT');
  platform.signal('SIGTERM');
  expect(signals).toEqual(['SIGTERM', 'SIGINT', 'SIGTERM']);
});

test('a worker that was cut and whose supervisor has exited receives a third signal', () => {
  startLink();
  parent.receive({ kind: 'cut' });
  parent.disconnect();
  expect(signals).toEqual(['SIGTERM', 'SIGTERM', 'SIGTERM']);
});

test('unknown messages are ignored', () => {
  startLink();
  for (const message of [undefined, null, 7, 'stop', { kind: 'other' }]) parent.receive(message);
  expect([signals, parent.sent]).toEqual([[], []]);
});

test('after the program has ended, messages and signals are ignored', () => {
  startLink().stopListening();
  parent.receive({ kind: 'stop' });
  parent.disconnect();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    expect(platform.listeners(signal)).toBe(0);
  }
  expect(signals).toEqual([]);
});

test('a worker reports that it is ready, and its stats, also those of ended servers', () => {
  const { link } = startLink();
  link.ready();
  const server = { address: { toString: () => 'x:1' }, stats: () => ({ accepted: 3 }) };
  link.serverEnds(server, []);
  parent.receive({ kind: 'stats-request', requestId: 9 });
  const servers = [{ address: 'x:1', stats: { accepted: 3 } }];
  expect(parent.sent).toEqual([
    { kind: 'ready' },
    { kind: 'stats', requestId: 0, servers },
    { kind: 'stats', requestId: 9, servers },
  ]);
});

test('a worker answers pings when its scheduler turns, several with one answer', () => {
  startLink();
  for (const requestId of [1, 2]) parent.receive({ kind: 'ping', requestId });
  expect(parent.sent).toEqual([]);
  turn();
  expect(parent.sent).toEqual([{ kind: 'pong', requestId: 2, inspected: false }]);
});

test('a worker reports that a debugger can stop it', () => {
  startLink();
  platform.inspected = () => true;
  parent.receive({ kind: 'ping', requestId: 1 });
  turn();
  expect(parent.sent).toEqual([{ kind: 'pong', requestId: 1, inspected: true }]);
});

test('a worker does not answer pings after the program has ended', () => {
  const { stopListening } = startLink();
  parent.receive({ kind: 'ping', requestId: 1 });
  stopListening();
  turn();
  expect(parent.sent).toEqual([]);
});

test('a worker keeps the stats of the last 64 ended servers', () => {
  const { link } = startLink();
  for (let count = 1; count <= 100; count++) {
    link.serverEnds({ address: {}, stats: () => ({ accepted: count }) }, []);
  }
  const { servers } = parent.sent.at(-1) as { servers: { stats: unknown }[] };
  expect([servers.length, servers[0]?.stats]).toEqual([64, { accepted: 37 }]);
});
