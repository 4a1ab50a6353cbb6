/** The supervisor of workers: reload, stop, and statistics. */
import { describe, expect, test } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import { superviseWorkers } from '../../../test/support/server/supervised-workers.ts';
import type { Wait } from '../../kernel/operation.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep } from '../../kernel/waits.ts';
import type { WorkersStats } from './stats.ts';

const SERVER = { address: '127.0.0.1:4711', stats: { accepted: 5, open: 2, backend: 'epoll' } };

describe('a reload', () => {
  test('stops a worker only when its successor is ready, one slot after the other', () => {
    const supervised = superviseWorkers(2, {}, function* (supervised) {
      (yield* supervised.begin(2)).reload();
      for (const [index, count] of [3, 4].entries()) {
        const next = yield* supervised.started(count);
        yield* sleep(1000);
        expect(supervised.process(index).received).toEqual([]);
        next.ready();
        yield* supervised.untilReceived(supervised.process(index), 'replaced');
        yield* sleep(1000);
        expect(supervised.processes.length).toBe(count);
        supervised.process(index).end({ code: 0 });
      }
      while (!supervised.kinds().includes('reloaded')) yield* sleep(1);
      supervised.running?.stop();
      yield* supervised.endAll();
    });
    expect(supervised.platform.log.slice(0, 6)).toEqual([
      ...['100 starts', '101 starts', '102 starts', '100 replaced', '103 starts', '101 replaced'],
    ]);
    expect(supervised.pauses).toEqual([]);
  });

  test('is started by SIGHUP while the workers run', () => {
    const supervised = superviseWorkers(1, {}, function* (supervised) {
      yield* supervised.begin(1);
      supervised.platform.signal('SIGHUP');
      (yield* supervised.started(2)).ready();
      yield* supervised.untilReceived(supervised.process(0), 'replaced');
      supervised.process(0).end({ code: 0 });
      while (!supervised.kinds().includes('reloaded')) yield* sleep(1);
      supervised.running?.stop();
      yield* supervised.endAll();
    });
    expect(supervised.platform.listeners('SIGHUP')).toBe(0);
  });

  test('is aborted when a new worker fails, and the old workers continue', () => {
    const supervised = superviseWorkers(2, {}, function* (supervised) {
      (yield* supervised.begin(2)).reload();
      (yield* supervised.started(3)).end({ code: 1 });
      yield* sleep(60_000);
      expect(supervised.processes.map(({ received }) => received)).toEqual([[], [], []]);
      supervised.running?.stop();
      yield* supervised.endAll();
    });
    expect(supervised.events.at(-1)).toEqual({
      kind: 'reload-failed',
      worker: 1,
      pid: 102,
      reason: 'exited with code 1 before it was ready',
    });
  });

  test('kills a new worker that is not ready in time', () => {
    superviseWorkers(1, { readyTimeoutMs: 200 }, function* (supervised) {
      (yield* supervised.begin(1)).reload();
      const next = yield* supervised.started(2);
      yield* supervised.untilReceived(next, 'SIGKILL');
      next.end({ signal: 'SIGKILL' });
      expect(supervised.process(0).received).toEqual([]);
      supervised.running?.stop();
      yield* supervised.endAll();
    });
  });

  test('reloads that are requested during a reload run once after it', () => {
    const supervised = superviseWorkers(1, {}, function* (supervised) {
      const running = yield* supervised.begin(1);
      running.reload();
      const second = yield* supervised.started(2);
      for (let count = 0; count < 10; count++) running.reload();
      second.ready();
      yield* supervised.untilReceived(supervised.process(0), 'replaced');
      supervised.process(0).end({ code: 0 });
      (yield* supervised.started(3)).ready();
      yield* supervised.untilReceived(second, 'replaced');
      second.end({ code: 0 });
      yield* sleep(60_000);
      running.stop();
      yield* supervised.endAll();
    });
    expect(supervised.processes.length).toBe(3);
  });

  test('fills the slot of a worker that has just ended, once', () => {
    const supervised = superviseWorkers(1, {}, function* (supervised) {
      const running = yield* supervised.begin(1);
      supervised.process(0).end({ code: 1 });
      running.reload();
      (yield* supervised.started(2)).ready();
      yield* sleep(60_000);
      running.stop();
      yield* supervised.endAll();
    });
    expect(supervised.processes.length).toBe(2);
  });

  test('restarts a successor that ends, whichever worker it has replaced', () => {
    superviseWorkers(1, {}, function* (supervised) {
      const running = yield* supervised.begin(1);
      running.reload();
      const successor = yield* supervised.started(2);
      supervised.process(0).end({ code: 1 });
      const replacement = yield* supervised.started(3);
      successor.ready();
      yield* supervised.untilReceived(replacement, 'replaced');
      successor.end({ code: 1 });
      yield* sleep(200);
      expect(supervised.processes.length).toBe(4);
      supervised.process(3).ready();
      replacement.end({ code: 0 });
      running.stop();
      yield* supervised.endAll();
    });
  });

  test('a reload that is in progress at a stop leaves no worker behind', () => {
    const supervised = superviseWorkers(1, {}, function* (supervised) {
      const running = yield* supervised.begin(1);
      running.reload();
      yield* supervised.started(2);
      running.stop();
      yield* supervised.endAll();
    });
    expect(supervised.processes.map(({ received, ended }) => [received, ended])).toEqual([
      [['stop'], true],
      [['stop'], true],
    ]);
  });
});

describe('a stop', () => {
  test('stops all workers at the same time, and none is restarted', () => {
    const supervised = superviseWorkers(3, { listen: 25000 }, function* (supervised) {
      (yield* supervised.begin(3)).stop();
      expect(supervised.platform.openListeners).toBe(1);
      for (const process of supervised.processes) yield* supervised.untilReceived(process, 'stop');
      expect(supervised.platform.openListeners).toBe(0);
      expect(supervised.processes.some(({ ended }) => ended)).toBe(false);
      for (const process of supervised.processes) process.end({ code: 0 });
      yield* sleep(60_000);
    });
    expect(supervised.processes.length).toBe(3);
    expect(supervised.task.state).toBe('done');
  });

  test('cuts and then kills a worker that does not end, and fails', () => {
    const error = errorOf(() =>
      superviseWorkers(1, { graceMs: 5000 }, function* (supervised) {
        (yield* supervised.begin(1)).stop();
        yield* sleep(5900);
        expect(supervised.process(0).received).toEqual(['stop']);
        yield* sleep(200);
        expect(supervised.process(0).received).toEqual(['stop', 'cut']);
        yield* supervised.untilReceived(supervised.process(0), 'SIGKILL');
        supervised.process(0).end({ signal: 'SIGKILL' });
      }),
    );
    expect(error.message).toBe('worker 1 (pid 100) was terminated by SIGKILL when it was stopped');
    expect(error.code).toBe('ERR_WORKER_STOP');
  });

  test('does not wait indefinitely for a process that does not end after SIGKILL', () => {
    const error = errorOf(() =>
      superviseWorkers(1, { graceMs: 0 }, function* (supervised) {
        (yield* supervised.begin(1)).stop();
      }),
    );
    expect(error.message).toContain('did not end after SIGKILL');
  });

  test('by cancellation cuts all workers, and waits for them', () => {
    const supervised = superviseWorkers(2, {}, function* (supervised) {
      yield* supervised.begin(2);
      supervised.task.cancel();
      for (const process of supervised.processes) yield* supervised.untilReceived(process, 'cut');
      supervised.process(0).end({ code: 143 });
      yield* supervised.untilReceived(supervised.process(1), 'SIGKILL');
      expect(supervised.task.state).toBe('waiting');
      supervised.process(1).end({ signal: 'SIGKILL' });
    });
    expect(supervised.task.state).toBe('cancelled');
    expect(supervised.platform.log).toContain('100 cut');
    expect(supervised.platform.log).not.toContain('100 SIGKILL');
  });
});

describe('the statistics of workers', () => {
  function* ask(running: { stats(): Iterable<Wait> }): Generator<Wait, WorkersStats> {
    return (yield* running.stats() as Generator<Wait, WorkersStats>) as WorkersStats;
  }

  test('include each worker, and totals with workers that have ended', () => {
    superviseWorkers(2, {}, function* (supervised) {
      const running = yield* supervised.begin(2);
      supervised.process(0).emit({ kind: 'stats', requestId: 0, servers: [SERVER] });
      supervised.process(0).end({ code: 1 });
      (yield* supervised.started(3)).ready();
      for (const index of [1, 2]) {
        supervised.process(index).emit({ kind: 'stats', requestId: 1, servers: [SERVER, SERVER] });
      }
      const stats = yield* ask(running);
      expect(stats.total).toEqual({ accepted: 25, open: 8 });
      expect(stats).toMatchObject({ restarts: 1, reloads: 0 });
      expect(stats.workers.map(({ pid, state }) => [pid, state])).toEqual([
        [101, 'ready'],
        [102, 'ready'],
      ]);
      running.stop();
      yield* supervised.endAll();
    });
  });

  test('contain the last numbers of a worker that does not answer', () => {
    superviseWorkers(1, {}, function* (supervised) {
      const running = yield* supervised.begin(1);
      supervised.process(0).emit({ kind: 'stats', requestId: 0, servers: [SERVER] });
      expect((yield* ask(running)).total).toEqual({ accepted: 5, open: 2 });
      expect(supervised.process(0).received).toEqual(['stats 1']);
      running.stop();
      yield* supervised.endAll();
    });
  });

  test('name a number in a nested record by both names, and ignore other values', () => {
    const stats = { closed: { idle: 1, by: { x: 1 } }, name: 'x', nothing: null };
    superviseWorkers(1, {}, function* (supervised) {
      const running = yield* supervised.begin(1);
      supervised
        .process(0)
        .emit({ kind: 'stats', requestId: 9, servers: [{ address: 'x', stats }] });
      expect((yield* ask(running)).total).toEqual({ 'closed.idle': 1 });
      running.stop();
      yield* supervised.endAll();
    });
  });

  test('ignore the request id of an answer without a request', () => {
    superviseWorkers(1, {}, function* (supervised) {
      const running = yield* supervised.begin(1);
      supervised.process(0).emit({ kind: 'stats', requestId: 1e9, servers: [] });
      const answers = group(function* (tasks): Generator<Wait, WorkersStats> {
        tasks.spawn(function* () {
          yield* sleep(500);
          supervised.process(0).emit({ kind: 'stats', requestId: 1, servers: [SERVER] });
        });
        return yield* ask(running);
      });
      expect((yield* answers as Generator<Wait, WorkersStats>).total).toEqual({
        accepted: 5,
        open: 2,
      });
      running.stop();
      yield* supervised.endAll();
    });
  });

  test('contain a bounded number of names', () => {
    const entries = Array.from({ length: 5000 }, (_, at) => [`name ${at}`, 1] as const);
    superviseWorkers(1, {}, function* (supervised) {
      const running = yield* supervised.begin(1);
      const stats = Object.fromEntries(entries);
      supervised
        .process(0)
        .emit({ kind: 'stats', requestId: 0, servers: [{ address: 'x', stats }] });
      expect(Object.keys((yield* ask(running)).total).length).toBe(1000);
      running.stop();
      yield* supervised.endAll();
    });
  });

  test('ignore invalid messages', () => {
    superviseWorkers(1, {}, function* (supervised) {
      const running = yield* supervised.begin(1);
      for (const message of [
        null,
        7,
        'ready',
        { kind: 'stats', servers: 1 },
        { kind: 'x' },
        { kind: 'stats', servers: [null, 'x'] },
      ]) {
        supervised.process(0).emit(message);
      }
      expect((yield* ask(running)).total).toEqual({});
      running.stop();
      yield* supervised.endAll();
    });
  });
});
