/** The timeout sweeper: when it checks which connections. */
import { beforeEach, describe, expect, test } from 'vitest';
import { FakeClock } from '../../test/support/kernel/fake-clock.ts';
import type { Connection } from './connection.ts';
import { ConnectionList } from './connection-list.ts';
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

let open: ConnectionList;
let checks: number[];
let exceeded: LimitName[];
let sweeper: TimeoutSweeper;

beforeEach(() => {
  clock.now = 0;
  open = new ConnectionList();
  checks = [];
  exceeded = [];
  sweeper = new TimeoutSweeper(open, LIMITS, scheduler, (_, limit) => exceeded.push(limit));
});

/** Opens a connection that exceeds `limit`. */
function openConnection(limit: LimitName | null = null): Connection {
  const exceededLimit = (_: Limits, at: number) => {
    checks.push(at);
    return limit;
  };
  const connection = { exceededLimit, older: null, newer: null } as unknown as Connection;
  open.add(connection);
  sweeper.start();
  return connection;
}

describe('the timeout sweeper', () => {
  test('checks a connection eight times within the shortest limit', () => {
    openConnection();
    clock.advanceTo(450);
    expect(checks).toEqual([100, 200, 300, 400]);
    sweeper.stop();
  });

  test('reports the limit that was exceeded', () => {
    openConnection();
    openConnection('idleTimeoutMs');
    clock.advanceTo(100);
    expect(exceeded).toEqual(['idleTimeoutMs']);
    sweeper.stop();
  });

  test('has no timer while no connection is open', () => {
    expect(timers.size).toBe(0);
    const connection = openConnection();
    expect(timers.size).toBe(1);
    open.delete(connection);
    clock.advanceTo(1000);
    expect([timers.size, checks]).toEqual([0, []]);
    openConnection();
    clock.advanceTo(1100);
    expect(checks).toEqual([1100]);
    sweeper.stop();
    expect(timers.size).toBe(0);
  });

  test('has no timer if no limit is set', () => {
    const none = { ...LIMITS, firstByteMs: Infinity, idleMs: Infinity, sendStallMs: Infinity };
    const idle = new TimeoutSweeper(open, none, scheduler, () => {});
    openConnection();
    sweeper.stop();
    idle.start();
    expect(timers.size).toBe(0);
  });

  test('checks some hundred connections at once, and the others right after', () => {
    for (let i = 0; i < 1500; i++) openConnection();
    clock.advanceTo(150);
    expect(checks.length).toBe(1500);
    const counts = [100, 101, 102].map((at) => checks.filter((check) => check === at).length);
    expect(counts).toEqual([512, 512, 476]);
    clock.advanceTo(200);
    expect(checks.length).toBe(1500 + 512);
    sweeper.stop();
  });

  test('includes connections that open during a sweep, and not those that close', () => {
    const closed: Connection[] = [];
    for (let i = 0; i < 600; i++) closed.push(openConnection());
    clock.advanceTo(100);
    for (const connection of closed.slice(512)) open.delete(connection);
    openConnection();
    clock.advanceTo(101);
    expect(checks.length).toBe(513);
    sweeper.stop();
  });

  test('postpones a late sweep once', () => {
    openConnection();
    clock.fireAt(350);
    expect(checks).toEqual([]);
    clock.fireAt(700);
    expect(checks).toEqual([700]);
    sweeper.stop();
  });

  test('measures how late its timer fired', () => {
    openConnection();
    clock.advanceTo(100);
    expect(sweeper.lagMs).toBe(0);
    clock.fireAt(230);
    expect(sweeper.lagMs).toBe(30);
    sweeper.stop();
  });
});
