import { describe, expect, it } from 'vitest';
import { A, B, cleanupFor, failAfter, succeed } from '../../../test/support/kernel/operations.ts';
import { failureOf, play } from '../../../test/support/kernel/virtual-host.ts';
import { currentTask, now } from '../../kernel/current.ts';
import type { Task } from '../../kernel/task/task.ts';
import { sleep } from '../../kernel/waits.ts';
import { all } from './all.ts';

describe('all', () => {
  it('returns the values in the order of an array, however long each member takes', () => {
    const values = play(() => all([succeed(30, 'x'), succeed(10, 'y'), succeed(20, 'z')]));
    expect(values).toEqual(['x', 'y', 'z']);
  });

  it('returns the values under the keys of a record', () => {
    const values = play(() =>
      all({
        left: succeed(2, 1),
        right: function* () {
          return 'r';
        },
      }),
    );
    expect(values).toEqual({ left: 1, right: 'r' });
  });

  it('runs its members concurrently', () => {
    const time = play(function* () {
      yield* all([sleep(30), sleep(40), sleep(20)]);
      return now();
    });
    expect(time).toBe(40);
  });

  it('returns an empty array or record if it has no members', () => {
    expect(play(() => all([]))).toEqual([]);
    expect(play(() => all({}))).toEqual({});
  });

  it('throws the first error unchanged, after the other members have ended', () => {
    const log: string[] = [];
    const error = failureOf(function* () {
      try {
        yield* all([cleanupFor(50, log, 'cleaned'), failAfter(10, A), failAfter(20, B)]);
      } finally {
        log.push(`control back at ${now()}`);
      }
    });
    expect(error).toBe(A);
    expect(log).toEqual(['cleaned at 60', 'control back at 60']);
  });

  it('keeps a key named __proto__ as an own key', () => {
    const values = play(() =>
      all(
        JSON.parse('{"__proto__": 0}', (key, value) => {
          return key === '__proto__' ? () => succeed(1, 'own') : value;
        }),
      ),
    );
    expect(Object.keys(values as object)).toEqual(['__proto__']);
  });

  it('names the tasks of its members after the combinator and their keys', () => {
    const seen: string[] = [];
    play(() =>
      all({
        slow: succeed(20, 1),
        look: function* () {
          yield* sleep(5);
          const parent = currentTask().parent as Task<unknown>;
          seen.push(parent.waitingOn);
          for (const task of parent.children()) seen.push(`${task.name}: ${task.waitingOn}`);
        },
      }),
    );
    expect(seen).toEqual(["2 tasks of group 'all'", 'all.slow: sleep 20 ms', 'all.look: ']);
    expect(
      play(() =>
        all([
          function* () {
            return currentTask().name;
          },
        ]),
      ),
    ).toEqual(['all[0]']);
  });
});
