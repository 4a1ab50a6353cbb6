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
  ignoreCancellation,
  observe,
  succeed,
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
const ignoringErrors: Combinator[] = [any, allSettled];

describe('an error that occurs after the decision', () => {
  it('goes to onUnhandled if a cancelled member fails to clean up', () => {
    const members = () => [failWhenCancelled(A), succeed(5, 'x'), failWhenCancelled(B)];
    expect(observe(() => race(members()))).toEqual({ result: 'x', unhandled: [A, B] });
    expect(observe(() => any(members()))).toEqual({ result: 'x', unhandled: [A, B] });
    const failing = () => [failWhenCancelled(A), failAfter(5, C), failWhenCancelled(B)];
    expect(observe(() => all(failing()))).toEqual({ result: C, unhandled: [A, B] });
  });

  it('goes to onUnhandled if several members fail in the same batch', () => {
    const members = () => [failAfter(5, A), failAfter(5, B), failAfter(5, C)];
    expect(observe(() => all(members()))).toEqual({ result: A, unhandled: [B, C] });
    expect(observe(() => race(members()))).toEqual({ result: A, unhandled: [B, C] });
  });

  it('is reported at once, before the last member has ended', () => {
    const log: string[] = [];
    const hooks: Hooks = { onUnhandled: (error) => log.push(String(error)) };
    const others = () => [cleanupFor(50, log, 'other'), failWhenCancelled(A)];
    play(() => race([succeed(1, 'x'), ...others()]), { hooks });
    expect(log).toEqual(['Error: a', 'other at 51']);
  });

  it('is reported once if several members throw the same object', () => {
    const members = () => [failAfter(5, A), failAfter(5, A), failAfter(5, B), failAfter(5, B)];
    expect(observe(() => all(members()))).toEqual({ result: A, unhandled: [B] });
  });

  it('is reported for a member that had to be ended by force', () => {
    const { result, unhandled } = observe(() => race([ignoreCancellation(), succeed(5, 'x')]));
    expect(result).toBe('x');
    expect(unhandled).toMatchObject([{ code: 'ERR_UNCOOPERATIVE' }]);
    const failed = observe(() => all([ignoreCancellation(), failAfter(5, A)]));
    expect(failed.result).toBe(A);
    expect(failed.unhandled).toMatchObject([{ code: 'ERR_UNCOOPERATIVE' }]);
  });
});

describe('an outer cancellation', () => {
  const combinators: Record<string, Combinator> = { all, race, any, allSettled };

  it.each(Object.entries(combinators))(
    'is rethrown by %s after all members have ended',
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

  it.each(Object.entries(combinators))(
    'by a timeout ends %s with ERR_TIMEOUT',
    (_name, combine) => {
      expect(codeOf(() => timeout(10, combine([sleepForever(), sleep(50)])))).toBe('ERR_TIMEOUT');
    },
  );

  it('is replaced by the first error of an unwinding member; later ones go to onUnhandled', () => {
    for (const combine of throwingErrors) {
      const { result, unhandled } = observe(() =>
        timeout(10, combine([failWhenCancelled(A), failWhenCancelled(B), sleepForever()])),
      );
      expect({ result, unhandled }).toEqual({ result: A, unhandled: [B] });
    }
    const { result } = observe(() =>
      timeout(10, any([failAfter(5, C), failWhenCancelled(A), sleepForever()])),
    );
    expect((result as AllFailedError).errors).toEqual([C, A]);
  });

  it('is rethrown by any and allSettled even if members have failed before', () => {
    for (const combine of ignoringErrors) {
      const { result, unhandled } = observe(() =>
        timeout(10, combine([failAfter(5, A), sleepForever()])),
      );
      expect(result).toMatchObject({ code: 'ERR_TIMEOUT' });
      expect(unhandled).toEqual([]);
    }
  });

  it('does not undo a result that is decided', () => {
    const log: string[] = [];
    const values = play(function* () {
      const raced = yield* moveOnAfter(10, race([succeed(5, 'x'), cleanupFor(20, log, 'other')]));
      const every = yield* moveOnAfter(10, all([shield(succeed(20, 'y')), succeed(1, 'z')]));
      const ends = yield* moveOnAfter(10, allSettled([failWhenCancelled(A), succeed(1, 'z')]));
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

  it('in the same batch as the last value does not undo the result', () => {
    const values = play(() =>
      scope(function* (s) {
        return yield* all([
          succeed(10, 'x'),
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

  it('an earlier outer cancellation lets all members start, and each throws Cancelled', () => {
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

  it('an earlier outer cancellation is thrown by a combinator without members, too', () => {
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

  it('has failed with ERR_TASK_CANCELLED, as join would report', () => {
    expect(codeOf(() => all([cancelSelf(), sleepForever()]))).toBe('ERR_TASK_CANCELLED');
    expect(codeOf(() => race([cancelSelf(), sleepForever()]))).toBe('ERR_TASK_CANCELLED');
    expect(play(() => any([cancelSelf(), succeed(5, 'x')]))).toBe('x');
    expect(failureOf(() => any([cancelSelf()]))).toMatchObject({
      errors: [{ code: 'ERR_TASK_CANCELLED' }],
    });
    expect(play(() => allSettled([cancelSelf(), succeed(5, 'x')]))).toMatchObject([
      { status: 'rejected', reason: { code: 'ERR_TASK_CANCELLED' } },
      { status: 'fulfilled', value: 'x' },
    ]);
  });

  it('contributes its value if it returns one', () => {
    const member = function* (): Generator<Wait, string> {
      currentTask().cancel();
      return 'computed';
    };
    expect(play(() => all([member]))).toEqual(['computed']);
  });

  it('has the state cancelled for hooks and joins', () => {
    const ends: string[] = [];
    const hooks: Hooks = { taskFinished: (task) => ends.push(`${task.name} ${task.state}`) };
    play(() => allSettled([() => all([cancelSelf, sleepForever])]), { hooks });
    expect(ends.slice(0, 2)).toEqual(['all[0] cancelled', 'all[1] cancelled']);
  });
});

describe('the scope inside a member', () => {
  it('belongs to the member, so that cancelling it cancels the member', () => {
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

  it('is cancelled with an enclosing group', () => {
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

describe('random members of a combinator', () => {
  const action = fc.record({
    ms: fc.integer({ min: 0, max: 4 }),
    fails: fc.boolean(),
    cleanupMs: fc.integer({ min: 0, max: 3 }),
    cleanupFails: fc.boolean(),
  });

  it('lose no error, report none twice, and have all ended when control returns', () => {
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
          const { result, unhandled } = observe(function* () {
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
