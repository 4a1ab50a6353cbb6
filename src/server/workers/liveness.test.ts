/** Workers that hang, on a virtual clock. */
import { describe, expect, test } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import type { FakeProcess } from '../../../test/support/server/fake-platform.ts';
import type { Supervised } from '../../../test/support/server/supervised-workers.ts';
import { supervising } from '../../../test/support/server/supervised-workers.ts';
import type { Wait } from '../../kernel/operation.ts';
import { sleep } from '../../kernel/waits.ts';
import type { WorkersOptions } from './workers.ts';

/** A look every 100 ms. */
const LIMIT: WorkersOptions = { hangTimeoutMs: 800 };
const HOUR_MS = 3_600_000;

/** `count` workers that are ready, then `body`, then their end. */
function watching(
  count: number,
  options: WorkersOptions,
  body: (seen: Supervised, first: FakeProcess) => Generator<Wait, void>,
): Supervised {
  return supervising(count, options, function* (seen) {
    yield* seen.begin(count);
    yield* body(seen, seen.process(0));
    seen.running?.stop();
    yield* seen.endAll();
  });
}

/** The processes that were killed, by their places in the order of their beginnings. */
function killed({ processes }: Supervised): number[] {
  return [...processes.entries()].flatMap(([at, { told }]) => (told.includes('SIGKILL') ? at : []));
}

/** The system does what it is told with SIGKILL, and the next process is ready at once. */
function* replaced(seen: Supervised, hanging: FakeProcess): Generator<Wait, void> {
  yield* seen.toldTo(hanging, 'SIGKILL');
  const { length } = seen.processes;
  hanging.end({ signal: 'SIGKILL' });
  (yield* seen.started(length + 1)).ready();
  yield* sleep(1);
}

describe('a worker that hangs', () => {
  test('is told of, killed, and followed by a new one; the others are left alone', () => {
    const seen = watching(2, LIMIT, function* (seen, first) {
      first.turns = false;
      yield* replaced(seen, first);
      yield* sleep(HOUR_MS);
    });
    expect(killed(seen)).toEqual([0]);
    expect(seen.processes.length).toBe(3);
    expect(seen.events.slice(-4)).toEqual([
      { kind: 'hung', worker: 1, pid: 100, silentMs: 800 },
      expect.objectContaining({ kind: 'ended', worker: 1, restartMs: 100 }),
      { kind: 'started', worker: 1, pid: 102 },
      { kind: 'ready', worker: 1, pid: 102 },
    ]);
  });

  test('is killed when the limit has passed, up to a quarter later and never before', () => {
    for (const answeredForMs of [1000, 1001, 1050, 1099]) {
      watching(1, LIMIT, function* (seen, first) {
        yield* sleep(answeredForMs);
        first.turns = false;
        yield* sleep(799);
        expect(killed(seen)).toEqual([]);
        yield* sleep(1 + 200);
        expect(killed(seen)).toEqual([0]);
        yield* replaced(seen, first);
      });
    }
  });

  test('is told of on standard error unless somebody listens', () => {
    const seen = watching(1, { ...LIMIT, onEvent: undefined as never }, function* (seen, first) {
      first.turns = false;
      yield* replaced(seen, first);
    });
    expect(seen.platform.lines).toEqual([
      'coronet: worker 1 (pid 100) has not responded for 800 ms and is killed',
      'coronet: worker 1 (pid 100) was terminated by SIGKILL; the next one starts in 100 ms',
    ]);
  });

  test('again and again counts as one that ends: there is a limit', () => {
    const options = { ...LIMIT, restarts: { times: 1 } };
    const error = errorOf(() =>
      supervising(1, options, function* (seen) {
        yield* seen.begin(1);
        seen.process(0).turns = false;
        yield* replaced(seen, seen.process(0));
        seen.process(1).turns = false;
        yield* seen.toldTo(seen.process(1), 'SIGKILL');
        seen.process(1).end({ signal: 'SIGKILL' });
      }),
    );
    expect(error.code).toBe('ERR_WORKER_RESTARTS');
    expect(error.message).toContain('the last one, worker 1 (pid 101), hung');
  });

  test('and that not even SIGKILL ends does not keep its place', () => {
    const seen = watching(1, LIMIT, function* (seen, first) {
      first.turns = false;
      (yield* seen.started(2)).ready();
      yield* sleep(HOUR_MS);
      first.end({ signal: 'SIGKILL' });
      yield* sleep(HOUR_MS);
    });
    expect(seen.processes.length).toBe(2);
    expect(seen.process(0).told).toEqual(['SIGKILL']);
  });

  test('while it begins, does not keep its place either', () => {
    const seen = watching(1, { readyTimeoutMs: 300 }, function* (seen, first) {
      first.end({ code: 1 });
      yield* seen.toldTo(yield* seen.started(2), 'SIGKILL');
      (yield* seen.started(3)).ready();
      seen.process(1).end({ signal: 'SIGKILL' });
      yield* sleep(1);
    });
    expect(seen.processes.length).toBe(3);
  });

  test('because it has closed its channel, or does not read, is one as well', () => {
    const seen = watching(1, LIMIT, function* (seen, first) {
      first.deaf = true;
      yield* replaced(seen, first);
    });
    expect(seen.kinds()).toContain('hung');
  });

  test('cannot prove the opposite with answers to what nobody has asked', () => {
    const seen = watching(1, LIMIT, function* (seen, first) {
      first.turns = false;
      for (const requestId of [Number.NaN, 1e9, Infinity, -1, 0, 0.5, '1', null, undefined]) {
        first.say({ kind: 'pong', requestId });
      }
      yield* sleep(850);
      first.say({ kind: 'pong', requestId: 1e9 });
      yield* replaced(seen, first);
    });
    expect(killed(seen)).toEqual([0]);
  });
});

describe('nobody is taken for hung', () => {
  test('who is slow: any answer counts, also one to an older question', () => {
    const seen = watching(1, LIMIT, function* (_, first) {
      first.turns = false;
      for (let requestId = 1; requestId <= 100; requestId++) {
        yield* sleep(700);
        first.say({ kind: 'pong', requestId });
      }
      first.turns = true;
    });
    expect(killed(seen)).toEqual([]);
  });

  test('when the supervisor itself was held up: what has come meanwhile is heard first', () => {
    const seen = watching(1, LIMIT, function* (seen, first) {
      first.turns = false;
      while (first.pings < 8) yield* sleep(1);
      seen.host.time += HOUR_MS; // Its answer lies there, but timers come before messages.
      yield* sleep(50);
      first.say({ kind: 'pong', requestId: 8 });
      first.turns = true;
      yield* sleep(HOUR_MS);
    });
    expect(killed(seen)).toEqual([]);
  });

  test('but one that hangs is found although a supervisor is held up all the time', () => {
    watching(1, LIMIT, function* (seen, first) {
      first.turns = false;
      for (let times = 0; times < 20 && killed(seen).length === 0; times++) {
        seen.host.time += HOUR_MS;
        yield* sleep(1);
      }
      expect(killed(seen)).toEqual([0]);
      yield* replaced(seen, first);
    });
  });

  test('who drains: that has a grace of its own', () => {
    const seen = supervising(1, { ...LIMIT, graceMs: HOUR_MS }, function* (seen) {
      (yield* seen.begin(1)).stop();
      seen.process(0).turns = false;
      yield* sleep(HOUR_MS);
      seen.process(0).end({ code: 0 });
    });
    expect(killed(seen)).toEqual([]);
  });

  test('who is replaced: the old one has its grace, the new one its time to begin', () => {
    const options = { ...LIMIT, graceMs: HOUR_MS, readyTimeoutMs: HOUR_MS };
    const seen = watching(1, options, function* (seen, first) {
      seen.running?.reload();
      const next = yield* seen.started(2);
      next.turns = false;
      yield* sleep(HOUR_MS / 2);
      next.turns = true;
      next.ready();
      yield* seen.toldTo(first, 'replaced');
      first.turns = false;
      yield* sleep(HOUR_MS / 2);
      first.end({ code: 0 });
    });
    expect(killed(seen)).toEqual([]);
  });

  test('who says that a debugger may stop it, for as long as it said so last', () => {
    const seen = watching(1, LIMIT, function* (seen, first) {
      first.inspected = true;
      yield* sleep(1000);
      first.turns = false;
      yield* sleep(HOUR_MS);
      expect(killed(seen)).toEqual([]);
      first.turns = true;
      first.inspected = false;
      yield* sleep(1000);
      first.turns = false;
      yield* replaced(seen, first);
    });
    expect(killed(seen)).toEqual([0]);
  });

  test('where the limit is Infinity: nobody is even asked', () => {
    for (const hangTimeoutMs of [Infinity, Infinity] as const) {
      const seen = watching(1, { hangTimeoutMs }, function* (_, first) {
        first.turns = false;
        yield* sleep(HOUR_MS);
      });
      expect(seen.process(0).pings).toBe(0);
    }
  });

  test('unless it was told so, that is after 30 s', () => {
    watching(1, {}, function* (seen, first) {
      first.turns = false;
      yield* sleep(29_999);
      expect(killed(seen)).toEqual([]);
      yield* replaced(seen, first);
    });
  });
});

test('a worker that does not read is sent a bounded number of questions', () => {
  const seen = watching(1, LIMIT, function* (seen, first) {
    first.turns = false;
    yield* replaced(seen, first);
  });
  expect(seen.process(0).pings).toBe(9);
});

test('a worker that does not read is asked to end by a signal', () => {
  const seen = supervising(1, { hangTimeoutMs: Infinity }, function* (seen) {
    const running = yield* seen.begin(1);
    seen.process(0).deaf = true;
    running.stop();
    yield* seen.toldTo(seen.process(0), 'SIGTERM');
    seen.process(0).end({ code: 0 });
  });
  expect(seen.task.state).toBe('done');
});
