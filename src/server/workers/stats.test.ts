/** The statistics of workers for /metrics. */
import { describe, expect, test } from 'vitest';
import type { FakeProcess } from '../../../test/support/server/fake-platform.ts';
import type { SupervisedWorkers } from '../../../test/support/server/supervised-workers.ts';
import { superviseWorkers } from '../../../test/support/server/supervised-workers.ts';
import { now } from '../../kernel/current.ts';
import type { Wait } from '../../kernel/operation.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep } from '../../kernel/waits.ts';

const QUIET = { hangTimeoutMs: Infinity } as const;

function answer(process: FakeProcess, requestId: number, accepted: number): void {
  const servers = [{ address: 'x', stats: { accepted, open: 1 } }];
  process.emit({ kind: 'stats', requestId, servers });
}

/** Refreshes the statistics and returns them. */
function* page({ statsSource }: SupervisedWorkers): Generator<Wait, unknown> {
  yield* statsSource.refresh?.() as Generator<Wait, void>;
  return statsSource.stats();
}

/** Runs `body` while `count` workers are ready, then stops them. */
function running(
  count: number,
  body: (supervised: SupervisedWorkers, first: FakeProcess) => Generator<Wait, void>,
): SupervisedWorkers {
  return superviseWorkers(count, QUIET, function* (supervised) {
    const all = yield* supervised.begin(count);
    yield* body(supervised, supervised.process(0));
    all.stop();
    yield* supervised.endAll();
  });
}

describe('statistics of workers for a page', () => {
  test('are requested from the workers', () => {
    running(2, function* (supervised) {
      yield* group(function* (tasks) {
        tasks.spawn(function* () {
          for (const [at, process] of supervised.processes.entries()) {
            yield* supervised.untilReceived(process, 'stats 1');
            answer(process, 1, 10 + at);
          }
        });
        const startedAt = now();
        const shown = yield* page(supervised);
        expect(shown).toEqual({ restarts: 0, reloads: 0, accepted: 21, open: 2 });
        expect(now() - startedAt).toBeLessThan(100);
      });
    });
  });

  test('contain the last numbers of a worker that does not answer within a second', () => {
    running(1, function* (supervised, first) {
      answer(first, 0, 7);
      const startedAt = now();
      expect(yield* page(supervised)).toMatchObject({ accepted: 7 });
      expect(now() - startedAt).toBe(1000);
    });
  });

  test('are requested once for concurrent pages', () => {
    running(1, function* (supervised, first) {
      const shown: unknown[] = [];
      yield* group(function* (tasks) {
        for (let at = 0; at < 10; at++) {
          tasks.spawn(function* () {
            yield* sleep(50 * at);
            shown.push(yield* page(supervised));
          });
        }
        yield* sleep(600);
        answer(first, 1, 3);
      });
      const expected = { restarts: 0, reloads: 0, accepted: 3, open: 1 };
      expect(shown).toEqual(Array.from({ length: 10 }, () => expected));
      expect(first.received).toEqual(['stats 1']);
    });
  });

  test('are requested at most once a second', () => {
    running(1, function* (supervised, first) {
      yield* group(function* (tasks) {
        const daemon = { daemon: true };
        tasks.spawn(function* () {
          for (let requestId = 1; ; requestId++) {
            yield* supervised.untilReceived(first, `stats ${requestId}`);
            answer(first, requestId, requestId);
          }
        }, daemon);
        const startedAt = now();
        while (now() - startedAt < 10_000) {
          yield* page(supervised);
          yield* sleep(30);
        }
      });
      expect(first.received.length).toBeGreaterThanOrEqual(9);
      expect(first.received.length).toBeLessThanOrEqual(11);
    });
  });

  test('include workers that have ended between two pages', () => {
    const supervised = running(1, function* (supervised, first) {
      answer(first, 0, 40);
      first.end({ signal: 'SIGKILL' });
      const next = yield* supervised.started(2);
      next.ready();
      yield* sleep(1);
      answer(next, 0, 2);
      expect(yield* page(supervised)).toEqual({ restarts: 1, reloads: 0, accepted: 42, open: 1 });
    });
    expect(supervised.statsSource.stats()).toEqual({
      restarts: 1,
      reloads: 0,
      accepted: 42,
      open: 0,
    });
  });

  test('do not wait for a worker that was killed', () => {
    running(1, function* (supervised, first) {
      answer(first, 0, 1);
      const startedAt = now();
      yield* group(function* (tasks) {
        tasks.spawn(function* () {
          yield* supervised.untilReceived(first, 'stats 1');
          first.end({ signal: 'SIGKILL' });
        });
        expect(yield* page(supervised)).toMatchObject({ accepted: 1, open: 0 });
      });
      expect(now() - startedAt).toBeLessThan(100);
      (yield* supervised.started(2)).ready();
      yield* sleep(1);
    });
  });

  test('are provided to other pages if a page is cancelled', () => {
    running(1, function* (supervised, first) {
      yield* group(function* (tasks) {
        const cancelled = tasks.spawn(() => page(supervised));
        const other = tasks.spawn(() => page(supervised));
        yield* sleep(10);
        cancelled.cancel();
        yield* sleep(10);
        answer(first, 1, 9);
        expect(yield* other.join()).toMatchObject({ accepted: 9 });
        expect(cancelled.state).toBe('cancelled');
      });
      expect(first.received).toEqual(['stats 1']);
    });
  });

  test('contain the number of workers that are ready', () => {
    running(2, function* (supervised, first) {
      const { statsSource } = supervised;
      expect(statsSource.workers).toEqual({ wanted: 2, ready: 2 });
      first.end({ code: 1 });
      expect(statsSource.workers).toEqual({ wanted: 2, ready: 1 });
      const next = yield* supervised.started(3);
      expect(statsSource.workers).toEqual({ wanted: 2, ready: 1 });
      next.ready();
      expect(statsSource.workers).toEqual({ wanted: 2, ready: 2 });
      yield* sleep(1);
    });
  });
});
