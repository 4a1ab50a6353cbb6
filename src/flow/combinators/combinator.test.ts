import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Combinator } from '../../../test/support/kernel/operations.ts';
import {
  A,
  B,
  C,
  cleanupFor,
  failAfter,
  failWhenCancelled,
  give,
  refuseToEnd,
  watch,
} from '../../../test/support/kernel/operations.ts';
import { codeOf, failureOf, play } from '../../../test/support/kernel/virtual-host.ts';
import { currentScope, currentTask, now } from '../../kernel/current.ts';
import type { GroupError } from '../../kernel/errors.ts';
import type { Hooks } from '../../kernel/hooks.ts';
import type { Wait } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { shield } from '../../kernel/scope/shield.ts';
import { moveOnAfter, scope, timeout } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep, sleepForever } from '../../kernel/waits.ts';
import type { AllFailedError } from '../errors.ts';
import { all } from './all.ts';
import { allSettled } from './all-settled.ts';
import { any } from './any.ts';
import { race } from './race.ts';

const throwingErrors: Combinator[] = [all, race, allSettled];
const passingOver: Combinator[] = [any, allSettled];

describe('errors that come up after the decision', () => {
  it('go to onUnhandled when a loser fails to clean up', () => {
    const members = () => [failWhenCancelled(A), give(5, 'x'), failWhenCancelled(B)];
    expect(watch(() => race(members()))).toEqual({ result: 'x', unhandled: [A, B] });
    expect(watch(() => any(members()))).toEqual({ result: 'x', unhandled: [A, B] });
    const failing = () => [failWhenCancelled(A), failAfter(5, C), failWhenCancelled(B)];
    expect(watch(() => all(failing()))).toEqual({ result: C, unhandled: [A, B] });
  });

  it('go there when several members fail in the same batch', () => {
    const members = () => [failAfter(5, A), failAfter(5, B), failAfter(5, C)];
    expect(watch(() => all(members()))).toEqual({ result: A, unhandled: [B, C] });
    expect(watch(() => race(members()))).toEqual({ result: A, unhandled: [B, C] });
  });

  it('are told at once, not when the last loser has unwound', () => {
    const log: string[] = [];
    const hooks: Hooks = { onUnhandled: (error) => log.push(String(error)) };
    const losers = () => [cleanupFor(50, log, 'loser'), failWhenCancelled(A)];
    play(() => race([give(1, 'x'), ...losers()]), { hooks });
    expect(log).toEqual(['Error: a', 'loser at 51']);
  });

  it('are told once where several members throw the same object', () => {
    const members = () => [failAfter(5, A), failAfter(5, A), failAfter(5, B), failAfter(5, B)];
    expect(watch(() => all(members()))).toEqual({ result: A, unhandled: [B] });
  });

  it('include those of members that had to be ended by force', () => {
    const { result, unhandled } = watch(() => race([refuseToEnd(), give(5, 'x')]));
    expect(result).toBe('x');
    expect(unhandled).toMatchObject([{ code: 'ERR_UNCOOPERATIVE' }]);
    const failed = watch(() => all([refuseToEnd(), failAfter(5, A)]));
    expect(failed.result).toBe(A);
    expect(failed.unhandled).toMatchObject([{ code: 'ERR_UNCOOPERATIVE' }]);
  });
});

describe('a cancellation from outside', () => {
  const combinators: Record<string, Combinator> = { all, race, any, allSettled };

  it.each(Object.entries(combinators))(
    'goes through %s when all have unwound',
    (_name, combine) => {
      const log: string[] = [];
      play(function* () {
        yield* moveOnAfter(10, function* () {
          try {
            yield* combine([cleanupFor(30, log, 'one'), cleanupFor(20, log, 'two')]);
          } catch (error) {
            log.push(`${isCancelled(error)} at ${now()}`);
            throw error;
          }
        });
      });
      expect(log).toEqual(['two at 30', 'one at 40', 'true at 40']);
    },
  );

  it.each(Object.entries(combinators))('ends %s with ERR_TIMEOUT', (_name, combine) => {
    expect(codeOf(() => timeout(10, combine([sleepForever(), sleep(50)])))).toBe('ERR_TIMEOUT');
  });

  it('gives way to the first error of the unwinding; the others go to onUnhandled', () => {
    for (const combine of throwingErrors) {
      const { result, unhandled } = watch(() =>
        timeout(10, combine([failWhenCancelled(A), failWhenCancelled(B), sleepForever()])),
      );
      expect({ result, unhandled }).toEqual({ result: A, unhandled: [B] });
    }
    const { result } = watch(() =>
      timeout(10, any([failAfter(5, C), failWhenCancelled(A), sleepForever()])),
    );
    expect((result as AllFailedError).errors).toEqual([C, A]);
  });

  it('goes through any and allSettled although members had failed before', () => {
    for (const combine of passingOver) {
      const { result, unhandled } = watch(() =>
        timeout(10, combine([failAfter(5, A), sleepForever()])),
      );
      expect(result).toMatchObject({ code: 'ERR_TIMEOUT' });
      expect(unhandled).toEqual([]);
    }
  });

  it('does not take back a result that is there already', () => {
    const log: string[] = [];
    const values = play(function* () {
      const raced = yield* moveOnAfter(10, race([give(5, 'x'), cleanupFor(20, log, 'loser')]));
      const every = yield* moveOnAfter(10, all([shield(give(20, 'y')), give(1, 'z')]));
      const ends = yield* moveOnAfter(10, allSettled([failWhenCancelled(A), give(1, 'z')]));
      return [raced, every, ends];
    });
    expect(values).toEqual([
      'x',
      ['y', 'z'],
      [
        { status: 'rejected', reason: A },
        { status: 'fulfilled', value: 'z' },
      ],
    ]);
  });

  it('that comes in the same batch as the last value loses against it', () => {
    const values = play(() =>
      scope(function* (s) {
        return yield* all([
          give(10, 'x'),
          function* () {
            yield* sleep(10);
            s.cancel();
            return 'y';
          },
        ]);
      }),
    );
    expect(values).toEqual(['x', 'y']);
  });

  it('that was there before starts all members, and each meets it', () => {
    const log: string[] = [];
    play(() =>
      scope(function* (s) {
        s.cancel();
        yield* all(
          ['x', 'y'].map(
            (word) =>
              function* (): Generator<Wait, void> {
                try {
                  yield* sleep(1);
                } finally {
                  log.push(word);
                }
              },
          ),
        );
      }),
    );
    expect(log).toEqual(['x', 'y']);
  });

  it('is met by combinators of nothing, too', () => {
    const cancelled = play(() =>
      scope(function* (s) {
        s.cancel();
        return yield* all([]);
      }),
    );
    expect(cancelled).toBe(undefined);
  });
});

describe('a member that is cancelled by itself', () => {
  function* cancelSelf(): Generator<Wait, void> {
    currentTask().cancel('enough');
    yield* sleep(1);
  }

  it('counts as failed with ERR_TASK_CANCELLED, as join would tell', () => {
    expect(codeOf(() => all([cancelSelf(), sleepForever()]))).toBe('ERR_TASK_CANCELLED');
    expect(codeOf(() => race([cancelSelf(), sleepForever()]))).toBe('ERR_TASK_CANCELLED');
    expect(play(() => any([cancelSelf(), give(5, 'x')]))).toBe('x');
    expect(failureOf(() => any([cancelSelf()]))).toMatchObject({
      errors: [{ code: 'ERR_TASK_CANCELLED' }],
    });
    expect(play(() => allSettled([cancelSelf(), give(5, 'x')]))).toMatchObject([
      { status: 'rejected', reason: { code: 'ERR_TASK_CANCELLED' } },
      { status: 'fulfilled', value: 'x' },
    ]);
  });

  it('has its value where it returns one nevertheless', () => {
    const member = function* (): Generator<Wait, string> {
      currentTask().cancel();
      return 'computed';
    };
    expect(play(() => all([member]))).toEqual(['computed']);
  });

  it('has a state that hooks and joins can see', () => {
    const ends: string[] = [];
    const hooks: Hooks = { taskFinished: (task) => ends.push(`${task.name} ${task.state}`) };
    play(() => allSettled([() => all([cancelSelf, sleepForever])]), { hooks });
    expect(ends.slice(0, 2)).toEqual(['all[0] cancelled', 'all[1] cancelled']);
  });
});

describe('the scope inside a member', () => {
  it('is its own, so that cancelling it is cancelling the member', () => {
    expect(
      codeOf(() =>
        all([
          function* () {
            currentScope().cancel();
            yield* sleep(1);
          },
        ]),
      ),
    ).toBe('ERR_TASK_CANCELLED');
  });

  it('is cancelled with a group around', () => {
    const error = failureOf(() =>
      group(function* (g) {
        g.spawn(() => all([failWhenCancelled(A), sleepForever()]));
        yield* sleep(5);
        throw B;
      }),
    ) as GroupError;
    expect(error.errors).toEqual([B, A]);
  });
});

describe('whatever members do', () => {
  const action = fc.record({
    ms: fc.integer({ min: 0, max: 4 }),
    fails: fc.boolean(),
    cleanupMs: fc.integer({ min: 0, max: 3 }),
    cleanupFails: fc.boolean(),
  });

  it('no error is lost or told twice, and nothing runs on', () => {
    const kinds = fc.constantFrom<Combinator[]>(all, race);
    fc.assert(
      fc.property(
        fc.array(action, { minLength: 1, maxLength: 6 }),
        kinds,
        fc.nat(6),
        (acts, combine, limit) => {
          const thrown: unknown[] = [];
          let running = 0;
          const members = acts.map(
            (act) =>
              function* (): Generator<Wait, string> {
                running++;
                try {
                  yield* sleep(act.ms);
                  if (act.fails) throw note(new Error('work'));
                  return 'value';
                } catch (error) {
                  if (!isCancelled(error)) throw error;
                  yield* shield(sleep(act.cleanupMs));
                  if (act.cleanupFails) throw note(new Error('cleanup'));
                  throw error;
                } finally {
                  running--;
                }
              },
          );
          const note = (error: Error): Error => {
            thrown.push(error);
            return error;
          };
          const { result, unhandled } = watch(function* () {
            const value = yield* moveOnAfter(limit, combine(members));
            expect(running).toBe(0);
            return value;
          });
          const received = result instanceof Error ? [result, ...unhandled] : unhandled;
          expect(received).toEqual(thrown);
        },
      ),
      { numRuns: 300 },
    );
  });
});
