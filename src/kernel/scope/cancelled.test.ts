import { expect, test } from 'vitest';
import { playScope } from '../../../test/support/kernel/virtual-host.ts';
import type { Operation } from '../operation.ts';
import { sleep } from '../waits.ts';
import { Cancelled, isCancelled } from './cancelled.ts';

/** The Cancelled of a scope that was cancelled with `reason`. */
function cancelledWith(reason: unknown): Cancelled {
  let seen: unknown;
  playScope(function* (s) {
    s.cancel(reason);
    try {
      yield* sleep(1);
    } catch (error) {
      seen = error;
      throw error;
    }
  });
  if (!(seen instanceof Cancelled)) throw new Error('not cancelled');
  return seen;
}

test('Cancelled has the reason that was passed to cancel()', () => {
  for (const reason of [undefined, null, 0, 'why', new Error('why')]) {
    expect(cancelledWith(reason).reason).toBe(reason);
  }
});

test('a catch block that handles only Errors rethrows Cancelled', () => {
  const log: string[] = [];
  function* careful(): Operation<void> {
    try {
      yield* sleep(1);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      log.push('caught');
    }
    log.push('continued');
  }
  playScope(function* (s) {
    s.cancel();
    yield* careful();
  });
  expect(log).toEqual([]);
});

test('the text of a Cancelled contains its reason', () => {
  expect(String(cancelledWith('shutting down'))).toBe('Cancelled: shutting down');
  expect(String(cancelledWith(undefined))).toBe('Cancelled');
});

test('isCancelled is false for an AbortError', () => {
  expect(isCancelled(AbortSignal.abort().reason)).toBe(false);
});
