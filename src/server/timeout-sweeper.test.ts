/** The watch: when it looks, at whom, and that it holds nobody up. */
import { beforeEach, describe, expect, test } from 'vitest';
import { FakeClock } from '../../test/support/kernel/fake-clock.ts';
import type { Connection } from './connection.ts';
import type { Limits } from './options.ts';
import type { LimitName } from './stats.ts';
import { TimeoutSweeper } from './timeout-sweeper.ts';

const clock = new FakeClock();
const { scheduler, timers } = clock;

const LIMITS = {
  firstByteMs: 800,
  idleMs: 3000,
  sendStallMs: 3000,
  lifetimeMs: Infinity,
  receiveRate: 0,
  receiveGraceMs: 8,
} as Limits;

let open: Set<Connection>;
let looks: number[];
let passed: LimitName[];
let watch: TimeoutSweeper;

beforeEach(() => {
  clock.now = 0;
  open = new Set();
  looks = [];
  passed = [];
  watch = new TimeoutSweeper(open, LIMITS, scheduler, (_, limit) => passed.push(limit));
});

/** A connection comes, which has passed `limit`. */
function enter(limit: LimitName | null = null): Connection {
  const exceededLimit = (_: Limits, at: number) => {
    looks.push(at);
    return limit;
  };
  const connection = { exceededLimit } as unknown as Connection;
  open.add(connection);
  watch.start();
  return connection;
}

describe('the watch', () => {
  test('looks eight times within the shortest limit', () => {
    enter();
    clock.advanceTo(450);
    expect(looks).toEqual([100, 200, 300, 400]);
    watch.stop();
  });

  test('tells which limit was passed', () => {
    enter();
    enter('idleTimeoutMs');
    clock.advanceTo(100);
    expect(passed).toEqual(['idleTimeoutMs']);
    watch.stop();
  });

  test('has no timer while nobody is there', () => {
    expect(timers.size).toBe(0);
    const connection = enter();
    expect(timers.size).toBe(1);
    open.delete(connection);
    clock.advanceTo(1000);
    expect([timers.size, looks]).toEqual([0, []]);
    enter();
    clock.advanceTo(1100);
    expect(looks).toEqual([1100]);
    watch.stop();
    expect(timers.size).toBe(0);
  });

  test('has no timer where there is no limit', () => {
    const none = { ...LIMITS, firstByteMs: Infinity, idleMs: Infinity, sendStallMs: Infinity };
    const idle = new TimeoutSweeper(open, none, scheduler, () => {});
    enter();
    watch.stop();
    idle.start();
    expect(timers.size).toBe(0);
  });

  test('looks at some hundred in one go, and at the others right after', () => {
    for (let i = 0; i < 1500; i++) enter();
    clock.advanceTo(150);
    expect(looks.length).toBe(1500);
    const counts = [100, 101, 102].map((at) => looks.filter((look) => look === at).length);
    expect(counts).toEqual([512, 512, 476]);
    clock.advanceTo(200);
    expect(looks.length).toBe(1500 + 512);
    watch.stop();
  });

  test('looks at those who come in the middle of a round, and not at those who go', () => {
    const gone: Connection[] = [];
    for (let i = 0; i < 600; i++) gone.push(enter());
    clock.advanceTo(100);
    for (const connection of gone.slice(512)) open.delete(connection);
    enter();
    clock.advanceTo(101);
    expect(looks.length).toBe(513);
    watch.stop();
  });

  test('puts a round off that begins late, once', () => {
    enter();
    clock.fireAt(350);
    expect(looks).toEqual([]);
    clock.fireAt(700);
    expect(looks).toEqual([700]);
    watch.stop();
  });

  test('knows how late it was', () => {
    enter();
    clock.advanceTo(100);
    expect(watch.lagMs).toBe(0);
    clock.fireAt(230);
    expect(watch.lagMs).toBe(30);
    watch.stop();
  });
});
