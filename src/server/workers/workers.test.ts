/** `workers`: start, restart, and arguments. */
import { describe, expect, test } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import { superviseWorkers } from '../../../test/support/server/supervised-workers.ts';
import { sleep } from '../../kernel/waits.ts';
import { WorkerError } from './errors.ts';
import { workers } from './workers.ts';

describe('the start of workers', () => {
  test('one worker starts alone, the others once it is ready', () => {
    superviseWorkers(3, {}, function* (supervised) {
      const first = yield* supervised.started(1);
      yield* sleep(1000);
      expect(supervised.processes.length).toBe(1);
      first.ready();
      yield* sleep(1);
      expect(supervised.processes.length).toBe(3);
      expect(supervised.running).toBeUndefined();
      (yield* supervised.started(3)).ready();
      supervised.process(1).ready();
      yield* supervised.begin(3);
      supervised.running?.stop();
      yield* supervised.endAll();
    });
  });

  test("'auto' starts a worker for each available processor", () => {
    const { processes } = superviseWorkers('auto', {}, function* (supervised) {
      (yield* supervised.begin(3)).stop();
      yield* supervised.endAll();
    });
    expect(processes.length).toBe(3);
  });

  test('each worker inherits a listener of its own for each address, and its number', () => {
    const supervised = superviseWorkers(
      2,
      { listen: [25000, '127.0.0.1:7'] },
      function* (supervised) {
        const running = yield* supervised.begin(2);
        expect(supervised.platform.openListeners).toBe(2);
        expect(running.addresses.map(String)).toEqual(['127.0.0.1:4711', '127.0.0.1:4711']);
        running.stop();
        yield* supervised.endAll();
      },
    );
    expect(supervised.processes.map(({ start }) => start.descriptors)).toEqual([
      [10, 20],
      [11, 21],
    ]);
    expect(supervised.process(1).start.environment).toEqual({
      CORONET_WORKER: '2',
      CORONET_LISTEN: '[[":25000",3],["127.0.0.1:7",4]]',
    });
    expect(supervised.platform.openListeners).toBe(0);
  });

  test('an inherited descriptor is passed on to the workers', () => {
    const supervised = superviseWorkers(2, { listen: { fd: 7 } }, function* (supervised) {
      const running = yield* supervised.begin(2);
      expect(running.addresses.map(String)).toEqual(['127.0.0.1:4711']);
      running.stop();
      yield* supervised.endAll();
    });
    expect(supervised.processes.map(({ start }) => start.descriptors)).toEqual([[7], [7]]);
    expect(supervised.process(0).start.environment?.['CORONET_LISTEN']).toBe('[["fd:7",3]]');
  });

  test('a worker that ends before it is ready stops all workers', () => {
    const error = errorOf(() =>
      superviseWorkers(2, { listen: 25000 }, function* (supervised) {
        (yield* supervised.started(1)).ready();
        (yield* supervised.started(2)).end({ code: 3 });
        yield* supervised.endAll();
        expect(supervised.platform.log).toEqual(['100 starts', '101 starts', '100 stop']);
      }),
    );
    expect(error).toMatchObject({ code: 'ERR_WORKER_START', worker: 2, pid: 101 });
    expect(error).toBeInstanceOf(WorkerError);
    expect(error.message).toBe('worker 2 (pid 101) exited with code 3 before it was ready');
  });

  test('a worker that is not ready in time stops all workers', () => {
    const error = errorOf(() =>
      superviseWorkers(1, { readyTimeoutMs: 500 }, (supervised) => supervised.endAll()),
    );
    expect(error.code).toBe('ERR_WORKER_START');
    expect(error.message).toContain('was not ready after 500 ms');
  });

  test('readyTimeoutMs counts from the start of each worker', () => {
    const error = errorOf(() =>
      superviseWorkers(3, { readyTimeoutMs: 500 }, function* (supervised) {
        (yield* supervised.started(1)).ready();
        yield* supervised.started(3);
        yield* sleep(400);
        supervised.process(1).ready();
        yield* sleep(99);
        expect(supervised.process(2).received).toEqual([]);
        yield* sleep(2);
        expect(supervised.process(2).received).toEqual(['stop']);
        yield* supervised.endAll();
      }),
    );
    expect(error.message).toBe('worker 3 (pid 102) was not ready after 500 ms');
  });

  test('a process that cannot be started is reported with the cause', () => {
    const cause = new Error('spawn EAGAIN');
    const error = errorOf(() =>
      superviseWorkers(1, {}, function* (supervised) {
        (yield* supervised.started(1)).end({ error: cause });
      }),
    );
    expect(error.message).toContain('could not be started: spawn EAGAIN');
    expect((error as Error).cause).toBe(cause);
  });

  test('an exception of onReady drains all workers', () => {
    const onReady = (): never => {
      throw new Error('no room');
    };
    let log: readonly string[] = [];
    const error = errorOf(() =>
      superviseWorkers(1, { onReady }, function* (supervised) {
        (yield* supervised.started(1)).ready();
        yield* supervised.endAll();
        log = supervised.platform.log;
      }),
    );
    expect(error.message).toBe('no room');
    expect(log).toEqual(['100 starts', '100 stop']);
  });
});

describe('a signal to the process group', () => {
  for (const signal of ['SIGHUP', 'SIGINT']) {
    test(`${signal} ends a worker that does not observe it yet, which is started again`, () => {
      const supervised = superviseWorkers(2, {}, function* (supervised) {
        (yield* supervised.started(1)).end({ signal });
        (yield* supervised.started(2)).ready();
        (yield* supervised.started(3)).end({ signal });
        (yield* supervised.started(4)).ready();
        (yield* supervised.begin(0)).stop();
        yield* supervised.endAll();
      });
      expect(supervised.platform.log.slice(0, 4)).toEqual(
        [100, 101, 102, 103].map((pid) => `${pid} starts`),
      );
      expect(supervised.pauses).toEqual([0, 0]);
    });
  }

  test('SIGHUP to starting workers is limited by the restart limit', () => {
    const error = errorOf(() =>
      superviseWorkers(1, { restarts: { times: 2 } }, function* (supervised) {
        for (let count = 1; count <= 3; count++) {
          (yield* supervised.started(count)).end({ signal: 'SIGHUP' });
        }
      }),
    );
    expect(error.code).toBe('ERR_WORKER_RESTARTS');
  });

  test('a worker that a signal ends before it is ready does not fail a stop', () => {
    const supervised = superviseWorkers(2, {}, function* (supervised) {
      const running = yield* supervised.begin(2);
      running.reload();
      const next = yield* supervised.started(3);
      running.stop();
      next.end({ signal: 'SIGINT' });
      yield* supervised.endAll();
    });
    expect(supervised.task.state).toBe('done');
  });

  test('SIGHUP stops the workers if the terminal was closed', () => {
    const supervised = superviseWorkers(2, {}, function* (supervised) {
      yield* supervised.begin(2);
      supervised.platform.terminalLost = () => true;
      supervised.platform.signal('SIGHUP');
      yield* supervised.endAll();
    });
    expect(supervised.task.state).toBe('done');
    expect(supervised.processes.length).toBe(2);
  });
});

describe('a worker that ends by itself', () => {
  test('is restarted after 100 ms, twice as long each time, up to 10 s', () => {
    const restarts = { times: 100 };
    const supervised = superviseWorkers(1, { restarts }, function* (supervised) {
      yield* supervised.begin(1);
      for (let count = 1; count <= 9; count++) {
        const process = yield* supervised.started(count);
        process.ready();
        process.end({ code: 1 });
      }
      (yield* supervised.started(10)).ready();
      yield* sleep(1);
      supervised.running?.stop();
      yield* supervised.endAll();
    });
    expect(supervised.pauses).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  });

  test('is restarted after 100 ms again if it has run for a minute', () => {
    const supervised = superviseWorkers(1, {}, function* (supervised) {
      yield* supervised.begin(1);
      supervised.process(0).end({ code: 1 });
      (yield* supervised.started(2)).end({ code: 1 });
      const healthy = yield* supervised.started(3);
      healthy.ready();
      yield* sleep(60_000);
      healthy.end({ signal: 'SIGSEGV' });
      (yield* supervised.started(4)).ready();
      yield* sleep(1);
      supervised.running?.stop();
      yield* supervised.endAll();
    });
    expect(supervised.pauses).toEqual([100, 200, 100]);
  });

  test('is not restarted beyond the restart limit, and the others are drained', () => {
    const restarts = { times: 2, withinMs: 60_000 };
    let log: readonly string[] = [];
    const error = errorOf(() =>
      superviseWorkers(2, { restarts }, function* (supervised) {
        yield* supervised.begin(2);
        supervised.process(0).end({ code: 7 });
        (yield* supervised.started(3)).end({ code: 7 });
        (yield* supervised.started(4)).end({ code: 7 });
        yield* supervised.untilReceived(supervised.process(1), 'stop');
        supervised.process(1).end({ code: 0 });
        log = supervised.platform.log;
        expect(supervised.pauses).toEqual([100, 200]);
      }),
    );
    expect(error.code).toBe('ERR_WORKER_RESTARTS');
    expect(error.message).toContain('more than 2 times within 60000 ms');
    expect(error.message).toContain('worker 1 (pid 103), exited with code 7');
    expect(log.at(-1)).toBe('101 stop');
  });

  test('is not restarted when as many in a row were not ready, in whatever time', () => {
    const restarts = { times: 3, withinMs: 1 };
    const error = errorOf(() =>
      superviseWorkers(1, { restarts }, function* (supervised) {
        yield* supervised.begin(1);
        supervised.process(0).end({ code: 1 });
        for (let count = 2; count <= 5; count++) {
          const process = yield* supervised.started(count);
          yield* sleep(1000);
          process.end({ code: 9 });
        }
      }),
    );
    expect(error.code).toBe('ERR_WORKER_RESTARTS');
    expect(error.message).toBe(
      'More than 3 workers in a row ended before they were ready; the last one, ' +
        'worker 1 (pid 104), exited with code 9',
    );
  });

  test('is restarted again if a worker was ready since the last failed starts', () => {
    const restarts = { times: 2, withinMs: 1 };
    const supervised = superviseWorkers(1, { restarts }, function* (supervised) {
      yield* supervised.begin(1);
      for (let count = 1; count <= 9; count++) {
        const process = yield* supervised.started(count);
        if (count % 3 === 1) process.ready();
        process.end({ code: 1 });
      }
      (yield* supervised.started(10)).ready();
      yield* sleep(1);
      supervised.running?.stop();
      yield* supervised.endAll();
    });
    expect(supervised.pauses.length).toBe(9);
  });

  test('is restarted again when earlier restarts are outside the period', () => {
    const restarts = { times: 1, withinMs: 1000 };
    const supervised = superviseWorkers(1, { restarts }, function* (supervised) {
      yield* supervised.begin(1);
      for (let count = 1; count <= 5; count++) {
        const process = yield* supervised.started(count);
        process.ready();
        yield* sleep(2000);
        process.end({ code: 1 });
      }
      (yield* supervised.started(6)).ready();
      yield* sleep(1);
      supervised.running?.stop();
      yield* supervised.endAll();
    });
    expect(supervised.pauses.length).toBe(5);
  });

  test('is followed by one that hangs at its start, which is killed and restarted', () => {
    const supervised = superviseWorkers(1, { readyTimeoutMs: 300 }, function* (supervised) {
      yield* supervised.begin(1);
      supervised.process(0).end({ code: 1 });
      const hanging = yield* supervised.started(2);
      yield* supervised.untilReceived(hanging, 'SIGKILL');
      hanging.end({ signal: 'SIGKILL' });
      (yield* supervised.started(3)).ready();
      yield* sleep(1);
      supervised.running?.stop();
      yield* supervised.endAll();
    });
    expect(supervised.pauses).toEqual([100, 200]);
  });

  test('is reported on standard error without onEvent', () => {
    const onEvent = undefined as never;
    const supervised = superviseWorkers(1, { onEvent }, function* (supervised) {
      yield* supervised.begin(1);
      supervised.process(0).end({ signal: 'SIGKILL' });
      (yield* supervised.started(2)).ready();
      yield* sleep(1);
      supervised.running?.stop();
      yield* supervised.endAll();
    });
    expect(supervised.platform.lines).toEqual([
      'coronet: worker 1 (pid 100) was terminated by SIGKILL; the next one starts in 100 ms',
    ]);
  });
});

test('invalid arguments are rejected at once', () => {
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
