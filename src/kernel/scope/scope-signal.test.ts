import { expect, test } from 'vitest';
import { play, playScope, VirtualHost } from '../../../test/support/kernel/virtual-host.ts';
import { currentScope } from '../current.ts';
import { group } from '../task/group.ts';
import { sleep, sleepForever } from '../waits.ts';
import type { Scope } from './scope.ts';
import { shield } from './shield.ts';
import { scope } from './with-scope.ts';

test('the signal aborts when the scope is cancelled, with its reason', () => {
  playScope(function* (s) {
    const { signal } = s;
    const heard: unknown[] = [];
    signal.addEventListener('abort', () => heard.push(signal.reason));
    expect(signal.aborted).toBe(false);
    s.cancel('why');
    expect([signal.aborted, heard]).toEqual([true, ['why']]);
  });
});

test('it is one signal, and an AbortSignal', () => {
  playScope(function* (s) {
    expect(s.signal).toBeInstanceOf(AbortSignal);
    expect(s.signal).toBe(s.signal);
  });
});

test('the signal of a scope that is cancelled already is aborted', () => {
  playScope(function* (s) {
    s.cancel('why');
    expect([s.signal.aborted, s.signal.reason]).toEqual([true, 'why']);
  });
});

test('the signal aborts when a scope around it is cancelled, and in the tasks below', () => {
  const heard: string[] = [];
  playScope(function* (outer) {
    yield* group(function* (g) {
      g.spawn(function* () {
        const { signal } = currentScope();
        signal.addEventListener('abort', () => heard.push(String(signal.reason)));
        yield* sleepForever();
      });
      yield;
      outer.cancel('from above');
      yield* sleep(1);
    });
  });
  expect(heard).toEqual(['from above']);
});

test('the signal aborts at the deadline, with a TimeoutError', () => {
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

test('the signal of a scope inside a shield aborts when the shield falls, not before', () => {
  const host = new VirtualHost();
  const heard: number[] = [];
  host.playScope(function* (s) {
    s.cancel();
    const inner = scope(function* (sheltered) {
      sheltered.signal.addEventListener('abort', () => heard.push(host.time));
      yield* sleepForever();
    });
    yield* shield(inner, { withinMs: 20 });
  });
  expect(heard).toEqual([20]);
});

test('a signal does not abort because its scope has been left', () => {
  let left: Scope | undefined;
  playScope(function* (s) {
    left = s;
    expect(s.signal.aborted).toBe(false);
  });
  expect(left?.signal.aborted).toBe(false);
});

test('a listener may cancel other scopes while the cancellation spreads', () => {
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
