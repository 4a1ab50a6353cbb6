import { expect, test } from 'vitest';
import { thrownBy } from '../../test/support/kernel/operations.ts';
import { play } from '../../test/support/kernel/virtual-host.ts';
import { group } from '../kernel/task/group.ts';
import { sleep } from '../kernel/waits.ts';
import { Deferred } from './deferred.ts';
import { select } from './select/select.ts';

test('all tasks that wait for a deferred, before or after it is resolved, get its value', () => {
  play(() =>
    group(function* (g) {
      const deferred = new Deferred<number>('answer');
      const early = [1, 2].map(() => g.spawn(() => deferred.wait()));
      yield;
      expect(early[0]?.waitingOn).toBe("deferred 'answer'");
      expect(deferred.stats()).toEqual({ name: 'answer', state: 'pending', waiters: 2 });
      expect([deferred.resolve(42), deferred.settled]).toEqual([true, true]);
      expect(yield* (early[0] as (typeof early)[0]).join()).toBe(42);
      expect(yield* (early[1] as (typeof early)[0]).join()).toBe(42);
      expect(yield* deferred.wait()).toBe(42);
    }),
  );
});

test('a deferred that is rejected throws its error into each task that waits for it', () => {
  const error = new Error('no address');
  play(function* () {
    const deferred = new Deferred<string>();
    deferred.reject(error);
    expect(yield* thrownBy(deferred.wait())).toBe(error);
    expect(yield* thrownBy(select({ address: deferred.wait() }))).toBe(error);
    expect(deferred.stats().state).toBe('rejected');
  });
});

test('only the first resolve or reject of a deferred has an effect', () => {
  play(function* () {
    const deferred = new Deferred<undefined>();
    expect(deferred.resolve(undefined)).toBe(true);
    expect([deferred.resolve(undefined), deferred.reject(new Error('late'))]).toEqual([
      false,
      false,
    ]);
    expect(yield* deferred.wait()).toBeUndefined();
  });
});

test('a deferred can be a case of select, and a task that leaves it is not counted', () => {
  play(() =>
    group(function* (g) {
      const deferred = new Deferred<string>();
      expect((yield* select({ value: deferred.wait(), late: sleep(5) })).key).toBe('late');
      expect(deferred.stats().waiters).toBe(0);
      const task = g.spawn(() => select({ value: deferred.wait(), late: sleep(5) }));
      yield;
      deferred.resolve('x');
      expect(yield* task.join()).toEqual({ key: 'value', value: 'x' });
      const cancelled = g.spawn(() => new Deferred().wait());
      yield;
      cancelled.cancel();
    }),
  );
});
