import { expect, test } from 'vitest';
import { play, playScope, VirtualHost } from '../../../test/support/kernel/virtual-host.ts';
import { currentScope } from '../current.ts';
import { group } from '../task/group.ts';
import { sleep, sleepForever } from '../waits.ts';
import type { Scope } from './scope.ts';
import { shield } from './shield.ts';
import { scope } from './with-scope.ts';

test('the signal of a scope aborts with the reason when the scope is cancelled', () => {
  playScope(function* (s) {
    const { signal } = s;
    const observed: unknown[] = [];
    signal.addEventListener('abort', () => observed.push(signal.reason));
    expect(signal.aborted).toBe(false);
    s.cancel('why');
    expect([signal.aborted, observed]).toEqual([true, ['why']]);
  });
});

test('the signal of a scope is always the same AbortSignal', () => {
  playScope(function* (s) {
    expect(s.signal).toBeInstanceOf(AbortSignal);
    expect(s.signal).toBe(s.signal);
  });
});

test('the signal of a cancelled scope is aborted', () => {
  playScope(function* (s) {
    s.cancel('why');
    expect([s.signal.aborted, s.signal.reason]).toEqual([true, 'why']);
  });
});

test('the signal of a child task aborts when a scope around it is cancelled', () => {
  const observed: string[] = [];
  playScope(function* (outer) {
    yield* group(function* (g) {
      g.spawn(function* () {
        const { signal } = currentScope();
        signal.addEventListener('abort', () => observed.push(String(signal.reason)));
        yield* sleepForever();
      });
      yield;
      outer.cancel('from above');
      yield* sleep(1);
    });
  });
  expect(observed).toEqual(['from above']);
});

test('the signal of a scope aborts at its deadline with a TimeoutError', () => {
  let signal: AbortSignal | undefined;
  play(() =>
    scope(
      function* (s) {
        signal = s.signal;
        yield* sleepForever();
      },
      { deadline: 5 },
    ),
  );
  expect(signal?.reason).toMatchObject({ code: 'ERR_TIMEOUT' });
});

test('the signal of a scope inside a shield aborts when the shield expires', () => {
  const host = new VirtualHost();
  const observed: number[] = [];
  host.playScope(function* (s) {
    s.cancel();
    const inner = scope(function* (inside) {
      inside.signal.addEventListener('abort', () => observed.push(host.time));
      yield* sleepForever();
    });
    yield* shield(inner, { withinMs: 20 });
  });
  expect(observed).toEqual([20]);
});

test('the signal of a scope that ends without a cancellation does not abort', () => {
  let left: Scope | undefined;
  playScope(function* (s) {
    left = s;
    expect(s.signal.aborted).toBe(false);
  });
  expect(left?.signal.aborted).toBe(false);
});

test('an abort listener may cancel an outer scope', () => {
  const value = playScope(function* (outer) {
    return yield* scope(function* (inner) {
      inner.signal.addEventListener('abort', () => outer.cancel('both'));
      inner.cancel('inner');
      try {
        yield* sleep(1);
      } catch (error) {
        return (error as { reason: unknown }).reason;
      }
      return 'none';
    });
  });
  expect(value).toBe('both');
});
