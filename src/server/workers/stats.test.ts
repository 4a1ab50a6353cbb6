/** The figures of workers as a page of metrics fetches them. */
import { describe, expect, test } from 'vitest';
import type { FakeProcess } from '../../../test/support/server/fake-platform.ts';
import type { Supervised } from '../../../test/support/server/supervised-workers.ts';
import { supervising } from '../../../test/support/server/supervised-workers.ts';
import { now } from '../../kernel/current.ts';
import type { Wait } from '../../kernel/operation.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep } from '../../kernel/waits.ts';

const QUIET = { hangTimeoutMs: Infinity } as const;

function tells(process: FakeProcess, requestId: number, accepted: number): void {
  const servers = [{ address: 'x', stats: { accepted, open: 1 } }];
  process.say({ kind: 'stats', requestId, servers });
}

/** What the page shows once it has fetched the figures. */
function* page({ figures }: Supervised): Generator<Wait, unknown> {
  yield* figures.refresh?.() as Generator<Wait, void>;
  return figures.stats();
}

/** Runs `body` while `count` workers are ready, and ends them. */
function running(
  count: number,
  body: (seen: Supervised, first: FakeProcess) => Generator<Wait, void>,
): Supervised {
  return supervising(count, QUIET, function* (seen) {
    const all = yield* seen.begin(count);
    yield* body(seen, seen.process(0));
    all.stop();
    yield* seen.endAll();
  });
}

describe('the figures for a page', () => {
  test('are asked for, and are those that the workers answer', () => {
    running(2, function* (seen) {
      yield* group(function* (tasks) {
        tasks.spawn(function* () {
          for (const [at, process] of seen.processes.entries()) {
            yield* seen.toldTo(process, 'tell 1');
            tells(process, 1, 10 + at);
          }
        });
        const begin = now();
        const shown = yield* page(seen);
        expect(shown).toEqual({ restarts: 0, reloads: 0, accepted: 21, open: 2 });
        expect(now() - begin).toBeLessThan(100);
      });
    });
  });

  test('of a worker that does not answer are the last ones, after a second', () => {
    running(1, function* (seen, first) {
      tells(first, 0, 7);
      const begin = now();
      expect(yield* page(seen)).toMatchObject({ accepted: 7 });
      expect(now() - begin).toBe(1000);
    });
  });

  test('are asked for once, however many pages are made at the same time', () => {
    running(1, function* (seen, first) {
      const shown: unknown[] = [];
      yield* group(function* (tasks) {
        for (let at = 0; at < 10; at++) {
          tasks.spawn(function* () {
            yield* sleep(50 * at);
            shown.push(yield* page(seen));
          });
        }
        yield* sleep(600);
        tells(first, 1, 3);
      });
      const expected = { restarts: 0, reloads: 0, accepted: 3, open: 1 };
      expect(shown).toEqual(Array.from({ length: 10 }, () => expected));
      expect(first.told).toEqual(['tell 1']);
    });
  });

  test('are asked for once a second at most', () => {
    running(1, function* (seen, first) {
      yield* group(function* (tasks) {
        const daemon = { daemon: true };
        tasks.spawn(function* () {
          for (let requestId = 1; ; requestId++) {
            yield* seen.toldTo(first, `tell ${requestId}`);
            tells(first, requestId, requestId);
          }
        }, daemon);
        const begin = now();
        while (now() - begin < 10_000) {
          yield* page(seen);
          yield* sleep(30);
        }
      });
      expect(first.told.length).toBeGreaterThanOrEqual(9);
      expect(first.told.length).toBeLessThanOrEqual(11);
    });
  });

  test('have those of workers that have ended between two pages', () => {
    const seen = running(1, function* (seen, first) {
      tells(first, 0, 40);
      first.end({ signal: 'SIGKILL' });
      const next = yield* seen.started(2);
      next.ready();
      yield* sleep(1);
      tells(next, 0, 2);
      expect(yield* page(seen)).toEqual({ restarts: 1, reloads: 0, accepted: 42, open: 1 });
    });
    expect(seen.figures.stats()).toEqual({ restarts: 1, reloads: 0, accepted: 42, open: 0 });
  });

  test('do not wait for a worker that was killed', () => {
    running(1, function* (seen, first) {
      tells(first, 0, 1);
      const begin = now();
      yield* group(function* (tasks) {
        tasks.spawn(function* () {
          yield* seen.toldTo(first, 'tell 1');
          first.end({ signal: 'SIGKILL' });
        });
        expect(yield* page(seen)).toMatchObject({ accepted: 1, open: 0 });
      });
      expect(now() - begin).toBeLessThan(100);
      (yield* seen.started(2)).ready();
      yield* sleep(1);
    });
  });

  test('are of no interest to who was cancelled, and go on for the others', () => {
    running(1, function* (seen, first) {
      yield* group(function* (tasks) {
        const gone = tasks.spawn(() => page(seen));
        const stays = tasks.spawn(() => page(seen));
        yield* sleep(10);
        gone.cancel();
        yield* sleep(10);
        tells(first, 1, 9);
        expect(yield* stays.join()).toMatchObject({ accepted: 9 });
        expect(gone.state).toBe('cancelled');
      });
      expect(first.told).toEqual(['tell 1']);
    });
  });
});
