import { describe, expect, test } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import { supervising } from '../../../test/support/server/supervised-workers.ts';
import { sleep } from '../../kernel/waits.ts';
import { WorkerError } from './errors.ts';
import { workers } from './workers.ts';

describe('the beginning', () => {
  test('one worker begins alone, the others once it is ready', () => {
    supervising(3, {}, function* (seen) {
      const first = yield* seen.started(1);
      yield* sleep(1000);
      expect(seen.processes.length).toBe(1);
      first.ready();
      yield* sleep(1);
      expect(seen.processes.length).toBe(3);
      expect(seen.running).toBeUndefined();
      (yield* seen.started(3)).ready();
      seen.process(1).ready();
      yield* seen.begin(3);
      seen.running?.stop();
      yield* seen.endAll();
    });
  });

  test("'auto' is as many as the machine can run at the same time", () => {
    const { processes } = supervising('auto', {}, function* (seen) {
      (yield* seen.begin(3)).stop();
      yield* seen.endAll();
    });
    expect(processes.length).toBe(3);
  });

  test('each worker inherits a listener of its own at each address, and knows its place', () => {
    const seen = supervising(2, { listen: [25000, '127.0.0.1:7'] }, function* (seen) {
      const running = yield* seen.begin(2);
      expect(seen.platform.held).toBe(2);
      expect(running.addresses.map(String)).toEqual(['127.0.0.1:4711', '127.0.0.1:4711']);
      running.stop();
      yield* seen.endAll();
    });
    expect(seen.processes.map(({ start }) => start.descriptors)).toEqual([
      [10, 20],
      [11, 21],
    ]);
    expect(seen.process(1).start.environment).toEqual({
      CORONET_WORKER: '2',
      CORONET_LISTEN: '[[":25000",3],["127.0.0.1:7",4]]',
    });
    expect(seen.platform.held).toBe(0);
  });

  test('a descriptor that this process has inherited itself is handed down', () => {
    const seen = supervising(2, { listen: { fd: 7 } }, function* (seen) {
      const running = yield* seen.begin(2);
      expect(running.addresses.map(String)).toEqual(['127.0.0.1:4711']);
      running.stop();
      yield* seen.endAll();
    });
    expect(seen.processes.map(({ start }) => start.descriptors)).toEqual([[7], [7]]);
    expect(seen.process(0).start.environment?.['CORONET_LISTEN']).toBe('[["fd:7",3]]');
  });

  test('a worker that ends before it was ready fails the whole, and the others are ended', () => {
    const error = errorOf(() =>
      supervising(2, { listen: 25000 }, function* (seen) {
        (yield* seen.started(1)).ready();
        (yield* seen.started(2)).end({ code: 3 });
        yield* seen.endAll();
        expect(seen.platform.log).toEqual(['100 starts', '101 starts', '100 stop']);
      }),
    );
    expect(error).toMatchObject({ code: 'ERR_WORKER_START', worker: 2, pid: 101 });
    expect(error).toBeInstanceOf(WorkerError);
    expect(error.message).toBe('worker 2 (pid 101) exited with code 3 before it was ready');
  });

  test('a worker that is not ready in time fails the whole', () => {
    const error = errorOf(() => supervising(1, { readyTimeoutMs: 500 }, (seen) => seen.endAll()));
    expect(error.code).toBe('ERR_WORKER_START');
    expect(error.message).toContain('was not ready after 500 ms');
  });

  test('the time to be ready is that of each worker, counted from its own beginning', () => {
    const error = errorOf(() =>
      supervising(3, { readyTimeoutMs: 500 }, function* (seen) {
        (yield* seen.started(1)).ready();
        yield* seen.started(3);
        yield* sleep(400);
        seen.process(1).ready();
        yield* sleep(99);
        expect(seen.process(2).told).toEqual([]);
        yield* sleep(2);
        expect(seen.process(2).told).toEqual(['stop']);
        yield* seen.endAll();
      }),
    );
    expect(error.message).toBe('worker 3 (pid 102) was not ready after 500 ms');
  });

  test('a process that cannot be started is told with the reason', () => {
    const cause = new Error('spawn EAGAIN');
    const error = errorOf(() =>
      supervising(1, {}, function* (seen) {
        (yield* seen.started(1)).end({ error: cause });
      }),
    );
    expect(error.message).toContain('could not be started: spawn EAGAIN');
    expect((error as Error).cause).toBe(cause);
  });

  test('what onReady throws ends the whole, with all workers drained', () => {
    const onReady = (): never => {
      throw new Error('no room');
    };
    let log: readonly string[] = [];
    const error = errorOf(() =>
      supervising(1, { onReady }, function* (seen) {
        (yield* seen.started(1)).ready();
        yield* seen.endAll();
        log = seen.platform.log;
      }),
    );
    expect(error.message).toBe('no room');
    expect(log).toEqual(['100 starts', '100 stop']);
  });
});

describe('workers that end by themselves', () => {
  test('are followed by new ones after 100 ms, twice as long each time, up to 10 s', () => {
    const restarts = { times: 100 };
    const seen = supervising(1, { restarts }, function* (seen) {
      yield* seen.begin(1);
      for (let count = 1; count <= 9; count++) {
        const process = yield* seen.started(count);
        process.ready();
        process.end({ code: 1 });
      }
      (yield* seen.started(10)).ready();
      yield* sleep(1);
      seen.running?.stop();
      yield* seen.endAll();
    });
    expect(seen.pauses).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  });

  test('after a minute of health the pause is short again', () => {
    const seen = supervising(1, {}, function* (seen) {
      yield* seen.begin(1);
      seen.process(0).end({ code: 1 });
      (yield* seen.started(2)).end({ code: 1 });
      const healthy = yield* seen.started(3);
      healthy.ready();
      yield* sleep(60_000);
      healthy.end({ signal: 'SIGSEGV' });
      (yield* seen.started(4)).ready();
      yield* sleep(1);
      seen.running?.stop();
      yield* seen.endAll();
    });
    expect(seen.pauses).toEqual([100, 200, 100]);
  });

  test('more often than the limit fails the whole, and the others are drained first', () => {
    const restarts = { times: 2, withinMs: 60_000 };
    let log: readonly string[] = [];
    const error = errorOf(() =>
      supervising(2, { restarts }, function* (seen) {
        yield* seen.begin(2);
        seen.process(0).end({ code: 7 });
        (yield* seen.started(3)).end({ code: 7 });
        (yield* seen.started(4)).end({ code: 7 });
        yield* seen.toldTo(seen.process(1), 'stop');
        seen.process(1).end({ code: 0 });
        log = seen.platform.log;
        expect(seen.pauses).toEqual([100, 200]);
      }),
    );
    expect(error.code).toBe('ERR_WORKER_RESTARTS');
    expect(error.message).toContain('more than 2 times within 60000 ms');
    expect(error.message).toContain('worker 1 (pid 103), exited with code 7');
    expect(log.at(-1)).toBe('101 stop');
  });

  test('restarts of long ago do not count', () => {
    const restarts = { times: 1, withinMs: 1000 };
    const seen = supervising(1, { restarts }, function* (seen) {
      yield* seen.begin(1);
      for (let count = 1; count <= 5; count++) {
        const process = yield* seen.started(count);
        process.ready();
        yield* sleep(2000);
        process.end({ code: 1 });
      }
      (yield* seen.started(6)).ready();
      yield* sleep(1);
      seen.running?.stop();
      yield* seen.endAll();
    });
    expect(seen.pauses.length).toBe(5);
  });

  test('one that hangs at its beginning is killed, and counts as one that has ended', () => {
    const seen = supervising(1, { readyTimeoutMs: 300 }, function* (seen) {
      yield* seen.begin(1);
      seen.process(0).end({ code: 1 });
      const hanging = yield* seen.started(2);
      yield* seen.toldTo(hanging, 'SIGKILL');
      hanging.end({ signal: 'SIGKILL' });
      (yield* seen.started(3)).ready();
      yield* sleep(1);
      seen.running?.stop();
      yield* seen.endAll();
    });
    expect(seen.pauses).toEqual([100, 200]);
  });

  test('are told on standard error unless somebody listens', () => {
    const onEvent = undefined as never;
    const seen = supervising(1, { onEvent }, function* (seen) {
      yield* seen.begin(1);
      seen.process(0).end({ signal: 'SIGKILL' });
      (yield* seen.started(2)).ready();
      yield* sleep(1);
      seen.running?.stop();
      yield* seen.endAll();
    });
    expect(seen.platform.lines).toEqual([
      'coronet: worker 1 (pid 100) was terminated by SIGKILL; the next one starts in 100 ms',
    ]);
  });
});

test('wrong arguments are refused at once', () => {
  for (const hangTimeoutMs of [0, -1, Number.NaN]) {
    expect(() => workers(1, 'x', { hangTimeoutMs })).toThrow(
      /`hangTimeoutMs` to be a number > 0, or Infinity/,
    );
  }
  expect(() => workers(0, 'x')).toThrow(/`count` to be a whole number from 1 to 1024, got 0/);
  expect(() => workers('all' as 'auto', 'x')).toThrow(/'auto' or a whole number/);
  expect(() => workers(1, 7 as never)).toThrow(/`module` to be a path or a URL, got 7/);
  expect(() => workers(1, 'x', { listn: 1 } as never)).toThrow(/did you mean `listen`/);
  expect(() => workers(1, 'x', { listen: 'nowhere' })).toThrow(/an address such as/);
  expect(() => workers(1, 'x', { graceMs: -1 })).toThrow(RangeError);
  expect(() => workers(1, 'x', { restarts: { times: 0.5 } })).toThrow(RangeError);
});
