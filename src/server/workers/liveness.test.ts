/** The detection of hung workers, on a virtual clock. */
import { describe, expect, test } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import type { FakeProcess } from '../../../test/support/server/fake-platform.ts';
import type { SupervisedWorkers } from '../../../test/support/server/supervised-workers.ts';
import { superviseWorkers } from '../../../test/support/server/supervised-workers.ts';
import type { Wait } from '../../kernel/operation.ts';
import { sleep } from '../../kernel/waits.ts';
import type { WorkersOptions } from './workers.ts';

/** A check every 100 ms. */
const LIMIT: WorkersOptions = { hangTimeoutMs: 800 };
const HOUR_MS = 3_600_000;

/** Runs `body` while `count` workers are ready, then stops them. */
function withWorkers(
  count: number,
  options: WorkersOptions,
  body: (supervised: SupervisedWorkers, first: FakeProcess) => Generator<Wait, void>,
): SupervisedWorkers {
  return superviseWorkers(count, options, function* (supervised) {
    yield* supervised.begin(count);
    yield* body(supervised, supervised.process(0));
    supervised.running?.stop();
    yield* supervised.endAll();
  });
}

/** The indexes of the processes that were killed, in the order of their starts. */
function killed({ processes }: SupervisedWorkers): number[] {
  return [...processes.entries()].flatMap(([at, { received }]) =>
    received.includes('SIGKILL') ? at : [],
  );
}

/** SIGKILL ends the process, and the next one is ready at once. */
function* replaced(supervised: SupervisedWorkers, hanging: FakeProcess): Generator<Wait, void> {
  yield* supervised.untilReceived(hanging, 'SIGKILL');
  const { length } = supervised.processes;
  hanging.end({ signal: 'SIGKILL' });
  (yield* supervised.started(length + 1)).ready();
  yield* sleep(1);
}

describe('a hung worker', () => {
  test('is reported, killed and restarted, and no other worker is', () => {
    const supervised = withWorkers(2, LIMIT, function* (supervised, first) {
      first.isResponsive = false;
      yield* replaced(supervised, first);
      yield* sleep(HOUR_MS);
    });
    expect(killed(supervised)).toEqual([0]);
    expect(supervised.processes.length).toBe(3);
    expect(supervised.events.slice(-4)).toEqual([
      { kind: 'hung', worker: 1, pid: 100, silentMs: 800 },
      expect.objectContaining({ kind: 'ended', worker: 1, restartMs: 100 }),
      { kind: 'started', worker: 1, pid: 102 },
      { kind: 'ready', worker: 1, pid: 102 },
    ]);
  });

  test('is killed at the limit, up to a quarter of it later, and never earlier', () => {
    for (const responsiveForMs of [1000, 1001, 1050, 1099]) {
      withWorkers(1, LIMIT, function* (supervised, first) {
        yield* sleep(responsiveForMs);
        first.isResponsive = false;
        yield* sleep(799);
        expect(killed(supervised)).toEqual([]);
        yield* sleep(1 + 200);
        expect(killed(supervised)).toEqual([0]);
        yield* replaced(supervised, first);
      });
    }
  });

  test('is reported on standard error without onEvent', () => {
    const supervised = withWorkers(
      1,
      { ...LIMIT, onEvent: undefined as never },
      function* (supervised, first) {
        first.isResponsive = false;
        yield* replaced(supervised, first);
      },
    );
    expect(supervised.platform.lines).toEqual([
      'coronet: worker 1 (pid 100) has not responded for 800 ms and is killed',
      'coronet: worker 1 (pid 100) was terminated by SIGKILL; the next one starts in 100 ms',
    ]);
  });

  test('counts for the restart limit', () => {
    const options = { ...LIMIT, restarts: { times: 1 } };
    const error = errorOf(() =>
      superviseWorkers(1, options, function* (supervised) {
        yield* supervised.begin(1);
        supervised.process(0).isResponsive = false;
        yield* replaced(supervised, supervised.process(0));
        supervised.process(1).isResponsive = false;
        yield* supervised.untilReceived(supervised.process(1), 'SIGKILL');
        supervised.process(1).end({ signal: 'SIGKILL' });
      }),
    );
    expect(error.code).toBe('ERR_WORKER_RESTARTS');
    expect(error.message).toContain('the last one, worker 1 (pid 101), hung');
  });

  test('does not keep its slot if SIGKILL does not end it', () => {
    const supervised = withWorkers(1, LIMIT, function* (supervised, first) {
      first.isResponsive = false;
      (yield* supervised.started(2)).ready();
      yield* sleep(HOUR_MS);
      first.end({ signal: 'SIGKILL' });
      yield* sleep(HOUR_MS);
    });
    expect(supervised.processes.length).toBe(2);
    expect(supervised.process(0).received).toEqual(['SIGKILL']);
  });

  test('does not keep its slot if it was not ready yet', () => {
    const supervised = withWorkers(1, { readyTimeoutMs: 300 }, function* (supervised, first) {
      first.end({ code: 1 });
      yield* supervised.untilReceived(yield* supervised.started(2), 'SIGKILL');
      (yield* supervised.started(3)).ready();
      supervised.process(1).end({ signal: 'SIGKILL' });
      yield* sleep(1);
    });
    expect(supervised.processes.length).toBe(3);
  });

  test('may be one that does not read its channel', () => {
    const supervised = withWorkers(1, LIMIT, function* (supervised, first) {
      first.isChannelFull = true;
      yield* replaced(supervised, first);
    });
    expect(supervised.kinds()).toContain('hung');
  });

  test('is not considered responsive because of answers without a ping', () => {
    const supervised = withWorkers(1, LIMIT, function* (supervised, first) {
      first.isResponsive = false;
      for (const requestId of [Number.NaN, 1e9, Infinity, -1, 0, 0.5, '1', null, undefined]) {
        first.emit({ kind: 'pong', requestId });
      }
      yield* sleep(850);
      first.emit({ kind: 'pong', requestId: 1e9 });
      yield* replaced(supervised, first);
    });
    expect(killed(supervised)).toEqual([0]);
  });
});

describe('a worker is not considered hung', () => {
  test('a slow worker is not considered hung, because late answers count', () => {
    const supervised = withWorkers(1, LIMIT, function* (_, first) {
      first.isResponsive = false;
      for (let requestId = 1; requestId <= 100; requestId++) {
        yield* sleep(700);
        first.emit({ kind: 'pong', requestId });
      }
      first.isResponsive = true;
    });
    expect(killed(supervised)).toEqual([]);
  });

  test('a blocked supervisor considers no worker hung: pending answers count', () => {
    const supervised = withWorkers(1, LIMIT, function* (supervised, first) {
      first.isResponsive = false;
      while (first.pings < 8) yield* sleep(1);
      // Its answer is pending: timers fire before messages are received.
      supervised.host.time += HOUR_MS;
      yield* sleep(50);
      first.emit({ kind: 'pong', requestId: 8 });
      first.isResponsive = true;
      yield* sleep(HOUR_MS);
    });
    expect(killed(supervised)).toEqual([]);
  });

  test('unless it hangs, also if the supervisor is blocked all the time', () => {
    withWorkers(1, LIMIT, function* (supervised, first) {
      first.isResponsive = false;
      for (let times = 0; times < 20 && killed(supervised).length === 0; times++) {
        supervised.host.time += HOUR_MS;
        yield* sleep(1);
      }
      expect(killed(supervised)).toEqual([0]);
      yield* replaced(supervised, first);
    });
  });

  test('while it drains, which the grace period limits', () => {
    const supervised = superviseWorkers(1, { ...LIMIT, graceMs: HOUR_MS }, function* (supervised) {
      (yield* supervised.begin(1)).stop();
      supervised.process(0).isResponsive = false;
      yield* sleep(HOUR_MS);
      supervised.process(0).end({ code: 0 });
    });
    expect(killed(supervised)).toEqual([]);
  });

  test('while it is replaced: the grace period and readyTimeoutMs apply', () => {
    const options = { ...LIMIT, graceMs: HOUR_MS, readyTimeoutMs: HOUR_MS };
    const supervised = withWorkers(1, options, function* (supervised, first) {
      supervised.running?.reload();
      const next = yield* supervised.started(2);
      next.isResponsive = false;
      yield* sleep(HOUR_MS / 2);
      next.isResponsive = true;
      next.ready();
      yield* supervised.untilReceived(first, 'replaced');
      first.isResponsive = false;
      yield* sleep(HOUR_MS / 2);
      first.end({ code: 0 });
    });
    expect(killed(supervised)).toEqual([]);
  });

  test('while its inspector is open', () => {
    const supervised = withWorkers(1, LIMIT, function* (supervised, first) {
      first.inspected = true;
      yield* sleep(1000);
      first.isResponsive = false;
      yield* sleep(HOUR_MS);
      expect(killed(supervised)).toEqual([]);
      first.isResponsive = true;
      first.inspected = false;
      yield* sleep(1000);
      first.isResponsive = false;
      yield* replaced(supervised, first);
    });
    expect(killed(supervised)).toEqual([0]);
  });

  test('with the limit Infinity no ping is sent and no worker is considered hung', () => {
    const supervised = withWorkers(1, { hangTimeoutMs: Infinity }, function* (_, first) {
      first.isResponsive = false;
      yield* sleep(HOUR_MS);
    });
    expect(supervised.process(0).pings).toBe(0);
  });

  test('before 30 s have passed, by default', () => {
    withWorkers(1, {}, function* (supervised, first) {
      first.isResponsive = false;
      yield* sleep(29_999);
      expect(killed(supervised)).toEqual([]);
      yield* replaced(supervised, first);
    });
  });
});

test('a worker that does not read is sent a bounded number of pings', () => {
  const supervised = withWorkers(1, LIMIT, function* (supervised, first) {
    first.isResponsive = false;
    yield* replaced(supervised, first);
  });
  expect(supervised.process(0).pings).toBe(9);
});

test('a worker that does not read is stopped by SIGTERM', () => {
  const supervised = superviseWorkers(1, { hangTimeoutMs: Infinity }, function* (supervised) {
    const running = yield* supervised.begin(1);
    supervised.process(0).isChannelFull = true;
    running.stop();
    yield* supervised.untilReceived(supervised.process(0), 'SIGTERM');
    supervised.process(0).end({ code: 0 });
  });
  expect(supervised.task.state).toBe('done');
});
