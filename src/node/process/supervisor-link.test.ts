import { beforeEach, expect, test } from 'vitest';
import { FakePlatform } from '../../../test/support/server/fake-platform.ts';
import type { Timer } from '../../kernel/timers.ts';
import { Timers } from '../../kernel/timers.ts';
import type { ParentProcess } from '../../world/platform.ts';
import type { StatsSource } from '../../world/world.ts';
import { supervisorOf } from './supervisor-link.ts';

/** The other end of the channel. */
class FakeParent implements ParentProcess {
  readonly got: unknown[] = [];
  tell: (message: unknown) => void = () => {};
  leave: () => void = () => {};

  send(message: unknown): boolean {
    this.got.push(message);
    return true;
  }

  onMessage(heard: (message: unknown) => void): () => void {
    this.tell = heard;
    return () => {
      this.tell = () => {};
    };
  }

  onDisconnect(heard: () => void): () => void {
    this.leave = heard;
    return () => {
      this.leave = () => {};
    };
  }
}

/** A scheduler as far as its timers are concerned. */
const timers = new Timers();
const scheduler = {
  now: () => 5,
  arm: (timer: Timer, at: number) => timers.arm(timer, at),
  disarm: (timer: Timer) => timers.disarm(timer),
};

/** What is due is done. */
function turn(): void {
  for (let due = timers.takeDue(5); due !== undefined; due = timers.takeDue(5)) {
    due.target.expire(due);
  }
}

let platform: FakePlatform;
let parent: FakeParent;
let heard: string[];
const running: StatsSource[] = [];

function supervised() {
  const made = supervisorOf(platform);
  if (made === undefined) throw new Error('expected a worker');
  const who = { program: { servers: running.values() }, scheduler };
  const forget = made.listen(who, (signal) => heard.push(signal));
  return { made, forget };
}

beforeEach(() => {
  platform = new FakePlatform();
  parent = new FakeParent();
  platform.parent = parent;
  platform.variables.set('CORONET_WORKER', '1');
  heard = [];
});

test('a process with a parent is no worker unless it was told so, and none without one is', () => {
  platform.parent = undefined;
  expect(supervisorOf(platform)).toBeUndefined();
  platform = new FakePlatform();
  platform.parent = parent;
  expect(supervisorOf(platform)).toBeUndefined();
});

test('what a worker starts in its turn is not told that it is one', () => {
  supervised().forget();
  expect(platform.environment('CORONET_WORKER')).toBeUndefined();
  expect(supervisorOf(platform)).toBeDefined();
});

test('whatever asks first is the first signal; the next is the word of the supervisor', () => {
  supervised();
  platform.signal('SIGINT');
  platform.signal('SIGHUP');
  expect(heard).toEqual([]);
  platform.signal('SIGTERM');
  parent.tell({ kind: 'stop' });
  platform.signal('SIGTERM');
  parent.tell({ kind: 'stop' });
  expect(heard).toEqual(['SIGTERM']);
  parent.tell({ kind: 'cut' });
  expect(heard).toEqual(['SIGTERM', 'SIGTERM']);
});

test('a cut that comes without a stop is both', () => {
  supervised();
  parent.tell({ kind: 'cut' });
  expect(heard).toEqual(['SIGTERM', 'SIGTERM']);
});

test('a worker whose supervisor has gone drains, and listens to signals from then on', () => {
  supervised();
  parent.leave();
  expect(heard).toEqual(['SIGTERM']);
  platform.signal('SIGINT');
  platform.signal('SIGTERM');
  expect(heard).toEqual(['SIGTERM', 'SIGINT', 'SIGTERM']);
});

test('a worker that was cut and whose supervisor has gone then ends at once', () => {
  supervised();
  parent.tell({ kind: 'cut' });
  parent.leave();
  expect(heard).toEqual(['SIGTERM', 'SIGTERM', 'SIGTERM']);
});

test('messages that are none of ours change nothing', () => {
  supervised();
  for (const message of [undefined, null, 7, 'stop', { kind: 'other' }]) parent.tell(message);
  expect([heard, parent.got]).toEqual([[], []]);
});

test('when the program is over nothing is heard any more', () => {
  supervised().forget();
  parent.tell({ kind: 'stop' });
  parent.leave();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    expect(platform.listeners(signal)).toBe(0);
  }
  expect(heard).toEqual([]);
});

test('it tells that it is ready, and its figures, also those of servers that have ended', () => {
  const { made } = supervised();
  made.ready();
  const server = { address: { toString: () => 'x:1' }, stats: () => ({ accepted: 3 }) };
  made.serverEnds(server, []);
  parent.tell({ kind: 'stats-request', requestId: 9 });
  const servers = [{ address: 'x:1', stats: { accepted: 3 } }];
  expect(parent.got).toEqual([
    { kind: 'ready' },
    { kind: 'stats', requestId: 0, servers },
    { kind: 'stats', requestId: 9, servers },
  ]);
});

test('it says that it turns when the scheduler does, once for all who asked', () => {
  supervised();
  for (const requestId of [1, 2]) parent.tell({ kind: 'ping', requestId });
  expect(parent.got).toEqual([]);
  turn();
  expect(parent.got).toEqual([{ kind: 'pong', requestId: 2, inspected: false }]);
});

test('it says that a debugger can stop it', () => {
  supervised();
  platform.inspected = () => true;
  parent.tell({ kind: 'ping', requestId: 1 });
  turn();
  expect(parent.got).toEqual([{ kind: 'pong', requestId: 1, inspected: true }]);
});

test('when the program is over it does not turn', () => {
  const { forget } = supervised();
  parent.tell({ kind: 'ping', requestId: 1 });
  forget();
  turn();
  expect(parent.got).toEqual([]);
});

test('of many servers that have ended the figures of the last 64 are kept', () => {
  const { made } = supervised();
  for (let count = 1; count <= 100; count++) {
    made.serverEnds({ address: {}, stats: () => ({ accepted: count }) }, []);
  }
  const { servers } = parent.got.at(-1) as { servers: { stats: unknown }[] };
  expect([servers.length, servers[0]?.stats]).toEqual([64, { accepted: 37 }]);
});
