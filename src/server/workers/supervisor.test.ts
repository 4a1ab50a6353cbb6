import { describe, expect, test } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import { supervising } from '../../../test/support/server/supervised-workers.ts';
import type { Wait } from '../../kernel/operation.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep } from '../../kernel/waits.ts';
import type { WorkersStats } from './stats.ts';

const SERVER = { address: '127.0.0.1:4711', stats: { accepted: 5, open: 2, backend: 'epoll' } };

describe('a reload', () => {
  test('asks a worker to end only when its successor is ready, one place after the other', () => {
    const seen = supervising(2, {}, function* (seen) {
      (yield* seen.begin(2)).reload();
      for (const [place, count] of [3, 4].entries()) {
        const next = yield* seen.started(count);
        yield* sleep(1000);
        expect(seen.process(place).told).toEqual([]);
        next.ready();
        yield* seen.toldTo(seen.process(place), 'replaced');
        yield* sleep(1000);
        expect(seen.processes.length).toBe(count);
        seen.process(place).end({ code: 0 });
      }
      while (!seen.kinds().includes('reloaded')) yield* sleep(1);
      seen.running?.stop();
      yield* seen.endAll();
    });
    expect(seen.platform.log.slice(0, 6)).toEqual([
      ...['100 starts', '101 starts', '102 starts', '100 replaced', '103 starts', '101 replaced'],
    ]);
    expect(seen.pauses).toEqual([]);
  });

  test('is what SIGHUP asks for, as long as the workers run', () => {
    const seen = supervising(1, {}, function* (seen) {
      yield* seen.begin(1);
      seen.platform.signal('SIGHUP');
      (yield* seen.started(2)).ready();
      yield* seen.toldTo(seen.process(0), 'replaced');
      seen.process(0).end({ code: 0 });
      while (!seen.kinds().includes('reloaded')) yield* sleep(1);
      seen.running?.stop();
      yield* seen.endAll();
    });
    expect(seen.platform.listeners('SIGHUP')).toBe(0);
  });

  test('is given up when a new worker fails: the old ones serve on', () => {
    const seen = supervising(2, {}, function* (seen) {
      (yield* seen.begin(2)).reload();
      (yield* seen.started(3)).end({ code: 1 });
      yield* sleep(60_000);
      expect(seen.processes.map(({ told }) => told)).toEqual([[], [], []]);
      seen.running?.stop();
      yield* seen.endAll();
    });
    expect(seen.events.at(-1)).toEqual({
      kind: 'reload-failed',
      worker: 1,
      pid: 102,
      reason: 'exited with code 1 before it was ready',
    });
  });

  test('a new worker that hangs is killed', () => {
    supervising(1, { readyTimeoutMs: 200 }, function* (seen) {
      (yield* seen.begin(1)).reload();
      const next = yield* seen.started(2);
      yield* seen.toldTo(next, 'SIGKILL');
      next.end({ signal: 'SIGKILL' });
      expect(seen.process(0).told).toEqual([]);
      seen.running?.stop();
      yield* seen.endAll();
    });
  });

  test('that is asked for during another one follows it; ten of them are one', () => {
    const seen = supervising(1, {}, function* (seen) {
      const running = yield* seen.begin(1);
      running.reload();
      const second = yield* seen.started(2);
      for (let count = 0; count < 10; count++) running.reload();
      second.ready();
      yield* seen.toldTo(seen.process(0), 'replaced');
      seen.process(0).end({ code: 0 });
      (yield* seen.started(3)).ready();
      yield* seen.toldTo(second, 'replaced');
      second.end({ code: 0 });
      yield* sleep(60_000);
      running.stop();
      yield* seen.endAll();
    });
    expect(seen.processes.length).toBe(3);
  });

  test('a place whose worker has just died is filled by the reload, once', () => {
    const seen = supervising(1, {}, function* (seen) {
      const running = yield* seen.begin(1);
      seen.process(0).end({ code: 1 });
      running.reload();
      (yield* seen.started(2)).ready();
      yield* sleep(60_000);
      running.stop();
      yield* seen.endAll();
    });
    expect(seen.processes.length).toBe(2);
  });

  test('a successor that dies is followed at once, whoever it has replaced', () => {
    supervising(1, {}, function* (seen) {
      const running = yield* seen.begin(1);
      running.reload();
      const successor = yield* seen.started(2);
      seen.process(0).end({ code: 1 });
      const stopgap = yield* seen.started(3);
      successor.ready();
      yield* seen.toldTo(stopgap, 'replaced');
      successor.end({ code: 1 });
      yield* sleep(200);
      expect(seen.processes.length).toBe(4);
      seen.process(3).ready();
      stopgap.end({ code: 0 });
      running.stop();
      yield* seen.endAll();
    });
  });

  test('that is under way when all are stopped leaves nobody behind', () => {
    const seen = supervising(1, {}, function* (seen) {
      const running = yield* seen.begin(1);
      running.reload();
      yield* seen.started(2);
      running.stop();
      yield* seen.endAll();
    });
    expect(seen.processes.map(({ told, ended }) => [told, ended])).toEqual([
      [['stop'], true],
      [['stop'], true],
    ]);
  });
});

describe('the end', () => {
  test('all workers are asked at the same time, and none is started again', () => {
    const seen = supervising(3, { listen: 25000 }, function* (seen) {
      (yield* seen.begin(3)).stop();
      expect(seen.platform.held).toBe(1);
      for (const process of seen.processes) yield* seen.toldTo(process, 'stop');
      expect(seen.platform.held).toBe(0);
      expect(seen.processes.some(({ ended }) => ended)).toBe(false);
      for (const process of seen.processes) process.end({ code: 0 });
      yield* sleep(60_000);
    });
    expect(seen.processes.length).toBe(3);
    expect(seen.task.state).toBe('done');
  });

  test('who does not end is cut after the grace, then killed; that is a failure', () => {
    const error = errorOf(() =>
      supervising(1, { graceMs: 5000 }, function* (seen) {
        (yield* seen.begin(1)).stop();
        yield* sleep(5900);
        expect(seen.process(0).told).toEqual(['stop']);
        yield* sleep(200);
        expect(seen.process(0).told).toEqual(['stop', 'cut']);
        yield* seen.toldTo(seen.process(0), 'SIGKILL');
        seen.process(0).end({ signal: 'SIGKILL' });
      }),
    );
    expect(error.message).toBe('worker 1 (pid 100) was terminated by SIGKILL when it was stopped');
    expect(error.code).toBe('ERR_WORKER_STOP');
  });

  test('a process that survives SIGKILL does not hold it up for ever', () => {
    const error = errorOf(() =>
      supervising(1, { graceMs: 0 }, function* (seen) {
        (yield* seen.begin(1)).stop();
      }),
    );
    expect(error.message).toContain('did not end after SIGKILL');
  });

  test('a cancellation cuts all workers, and waits for them', () => {
    const seen = supervising(2, {}, function* (seen) {
      yield* seen.begin(2);
      seen.task.cancel();
      for (const process of seen.processes) yield* seen.toldTo(process, 'cut');
      seen.process(0).end({ code: 143 });
      yield* seen.toldTo(seen.process(1), 'SIGKILL');
      expect(seen.task.state).toBe('waiting');
      seen.process(1).end({ signal: 'SIGKILL' });
    });
    expect(seen.task.state).toBe('cancelled');
    expect(seen.platform.log).toContain('100 cut');
    expect(seen.platform.log).not.toContain('100 SIGKILL');
  });
});

describe('the figures', () => {
  function* ask(running: { stats(): Iterable<Wait> }): Generator<Wait, WorkersStats> {
    return (yield* running.stats() as Generator<Wait, WorkersStats>) as WorkersStats;
  }

  test('are those of each worker, and their sums, also of those that have ended', () => {
    supervising(2, {}, function* (seen) {
      const running = yield* seen.begin(2);
      seen.process(0).say({ kind: 'stats', requestId: 0, servers: [SERVER] });
      seen.process(0).end({ code: 1 });
      (yield* seen.started(3)).ready();
      for (const index of [1, 2]) {
        seen.process(index).say({ kind: 'stats', requestId: 1, servers: [SERVER, SERVER] });
      }
      const stats = yield* ask(running);
      expect(stats.total).toEqual({ accepted: 25, open: 8 });
      expect(stats).toMatchObject({ restarts: 1, reloads: 0 });
      expect(stats.workers.map(({ pid, state }) => [pid, state])).toEqual([
        [101, 'ready'],
        [102, 'ready'],
      ]);
      running.stop();
      yield* seen.endAll();
    });
  });

  test('of a worker that does not answer are the last ones', () => {
    supervising(1, {}, function* (seen) {
      const running = yield* seen.begin(1);
      seen.process(0).say({ kind: 'stats', requestId: 0, servers: [SERVER] });
      expect((yield* ask(running)).total).toEqual({ accepted: 5, open: 2 });
      expect(seen.process(0).told).toEqual(['tell 1']);
      running.stop();
      yield* seen.endAll();
    });
  });

  test('a figure inside of another one has both names; what is no number does not count', () => {
    const stats = { closed: { idle: 1, by: { x: 1 } }, name: 'x', nothing: null };
    supervising(1, {}, function* (seen) {
      const running = yield* seen.begin(1);
      seen.process(0).say({ kind: 'stats', requestId: 9, servers: [{ address: 'x', stats }] });
      expect((yield* ask(running)).total).toEqual({ 'closed.idle': 1 });
      running.stop();
      yield* seen.endAll();
    });
  });

  test('an answer to a question that nobody has asked does not stand for one', () => {
    supervising(1, {}, function* (seen) {
      const running = yield* seen.begin(1);
      seen.process(0).say({ kind: 'stats', requestId: 1e9, servers: [] });
      const answers = group(function* (tasks): Generator<Wait, WorkersStats> {
        tasks.spawn(function* () {
          yield* sleep(500);
          seen.process(0).say({ kind: 'stats', requestId: 1, servers: [SERVER] });
        });
        return yield* ask(running);
      });
      expect((yield* answers as Generator<Wait, WorkersStats>).total).toEqual({
        accepted: 5,
        open: 2,
      });
      running.stop();
      yield* seen.endAll();
    });
  });

  test('that a worker makes up without end are cut off', () => {
    const made = Array.from({ length: 5000 }, (_, at) => [`made up ${at}`, 1] as const);
    supervising(1, {}, function* (seen) {
      const running = yield* seen.begin(1);
      const stats = Object.fromEntries(made);
      seen.process(0).say({ kind: 'stats', requestId: 0, servers: [{ address: 'x', stats }] });
      expect(Object.keys((yield* ask(running)).total).length).toBe(1000);
      running.stop();
      yield* seen.endAll();
    });
  });

  test('messages that are none of ours change nothing', () => {
    supervising(1, {}, function* (seen) {
      const running = yield* seen.begin(1);
      for (const message of [
        null,
        7,
        'ready',
        { kind: 'stats', servers: 1 },
        { kind: 'x' },
        { kind: 'stats', servers: [null, 'x'] },
      ]) {
        seen.process(0).say(message);
      }
      expect((yield* ask(running)).total).toEqual({});
      running.stop();
      yield* seen.endAll();
    });
  });
});
