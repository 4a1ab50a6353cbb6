import { describe, expect, it } from 'vitest';
import { observe, thrownBy } from '../../../test/support/kernel/operations.ts';
import { play } from '../../../test/support/kernel/virtual-host.ts';
import { all } from '../../flow/combinators/all.ts';
import { allSettled } from '../../flow/combinators/all-settled.ts';
import { any } from '../../flow/combinators/any.ts';
import { map } from '../../flow/combinators/map.ts';
import { race } from '../../flow/combinators/race.ts';
import { retry } from '../../flow/combinators/retry.ts';
import type { AllFailedError } from '../../flow/errors.ts';
import { toAsync } from '../../index.ts';
import { run } from '../../node/run.ts';
import type { GroupError } from '../errors.ts';
import type { Operation, Wait } from '../operation.ts';
import { Cancelled, isCancelled } from '../scope/cancelled.ts';
import type { ScopeImpl } from '../scope/scope.ts';
import { scope, timeout } from '../scope/with-scope.ts';
import { sleep, sleepForever } from '../waits.ts';
import { group } from './group.ts';

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function throwing(): never {
  throw new Error('a trap or a getter of a hostile value');
}

/** Every trap throws, except that the prototype is that of `target`. */
function trapped(target: object): object {
  return new Proxy(target, {
    get: throwing,
    has: throwing,
    set: throwing,
    defineProperty: throwing,
  });
}

class HostileError extends Error {
  override get cause(): unknown {
    return throwing();
  }

  get code(): string {
    return throwing();
  }

  override toString(): string {
    return throwing();
  }
}

const hostile: Readonly<Record<string, unknown>> = {
  'a revoked proxy': revokedProxy(),
  'an error whose getters throw': new HostileError('hostile'),
  'a proxy of an error whose traps throw': trapped(new Error('target')),
  'a proxy of a Cancelled whose traps throw': trapped(
    new Cancelled(
      play(() =>
        scope(function* (s) {
          return s as ScopeImpl;
        }),
      ) as ScopeImpl,
      'x',
    ),
  ),
  'an object without a prototype': Object.create(null),
  'a frozen error': Object.freeze(new Error('frozen')),
  'a symbol': Symbol('thrown'),
  undefined: undefined,
  null: null,
};

function* failWith(thrown: unknown): Generator<Wait, never> {
  yield* sleep(1);
  throw thrown;
}

describe.each(Object.entries(hostile))('a task that throws %s', (_name, thrown) => {
  it('fails its group with that value, and the other tasks unwind', () => {
    let unwound = 0;
    const { result, unhandled } = observe(() =>
      group(function* (g) {
        g.spawn(function* () {
          try {
            yield* sleepForever();
          } finally {
            unwound++;
          }
        });
        g.spawn(() => failWith(thrown));
        yield* sleepForever();
      }),
    );
    expect(((result as GroupError).errors as unknown[]).map((error) => error === thrown)).toEqual([
      true,
    ]);
    expect([unwound, unhandled.length]).toEqual([1, 0]);
  });

  it('passes that value to timeout, retry and the combinators', () => {
    const received = play(() =>
      thrownByEach([
        () => timeout(5, failWith(thrown)),
        () => retry(() => failWith(thrown)),
        () => all([failWith(thrown), sleepForever()]),
        () => race([failWith(thrown), sleepForever()]),
        () => map([1], () => failWith(thrown)),
        () => scope(() => failWith(thrown)),
      ]),
    );
    expect(received.map((error) => error === thrown)).toEqual(received.map(() => true));
    const [settled] = play(() => allSettled([failWith(thrown)]));
    expect(settled?.status === 'rejected' && settled.reason === thrown).toBe(true);
    const failed = play(() => thrownBy(any([failWith(thrown)]))) as AllFailedError;
    expect([failed.code, failed.errors[0] === thrown]).toEqual(['ERR_ALL_FAILED', true]);
  });

  it('rejects run and toAsync with that value, and the process continues', async () => {
    const outcome = async (promise: Promise<unknown>): Promise<unknown> => {
      try {
        return await promise;
      } catch (error) {
        return error === thrown ? 'that value' : error;
      }
    };
    expect(await outcome(run(() => failWith(thrown)))).toBe('that value');
    expect(await outcome(toAsync(() => failWith(thrown))())).toBe('that value');
    expect(await run(() => sleep(0))).toBe(undefined);
  });

  it('is not mistaken for a cancellation', () => {
    expect(isCancelled(thrown)).toBe(false);
  });
});

function* thrownByEach(operations: (() => Operation<unknown>)[]): Generator<Wait, unknown[]> {
  const received: unknown[] = [];
  for (const make of operations) {
    try {
      yield* make();
    } catch (error) {
      received.push(error);
    }
  }
  expect(received.length).toBe(operations.length);
  return received;
}

it('a task whose name throws when it is converted to text fails its group as any other', () => {
  const name = { toString: throwing };
  const { result } = observe(() =>
    group(function* (g) {
      g.spawn(() => failWith(new Error('work')), { name });
    }),
  );
  expect(result).toMatchObject({ errors: [{ message: 'work' }] });
});

it('a reason of a cancellation that cannot be shown does not replace the cancellation', () => {
  const text = play(() =>
    scope(function* (s) {
      s.cancel(revokedProxy());
      try {
        yield* sleep(1);
      } catch (error) {
        return String(error);
      }
      return '';
    }),
  );
  expect(text).toBe('Cancelled: a value that cannot be shown');
});
