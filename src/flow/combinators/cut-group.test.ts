import { describe, expect, it } from 'vitest';
import type { Combinator } from '../../../test/support/kernel/operations.ts';
import { succeed } from '../../../test/support/kernel/operations.ts';
import { codeOf, play } from '../../../test/support/kernel/virtual-host.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { shield } from '../../kernel/scope/shield.ts';
import { moveOnAfter, timeout } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep, sleepForever } from '../../kernel/waits.ts';
import { all } from './all.ts';
import { allSettled } from './all-settled.ts';
import { any } from './any.ts';
import { map } from './map.ts';
import { race } from './race.ts';
import { retry } from './retry.ts';

/** A group whose body returns at once and whose child does not end. */
function unfinished(): Operation<string> {
  return group(function* (g) {
    g.spawn(sleepForever);
    return 'value';
  });
}

describe('a group that a limit cuts after its body has returned', () => {
  const combinators: Record<string, Combinator> = { all, allSettled, any, race };

  it.each(Object.entries(combinators))('lets the limit around %s be seen', (_, combine) => {
    expect(codeOf(() => timeout(20, combine([unfinished, unfinished])))).toBe('ERR_TIMEOUT');
    expect(play(() => moveOnAfter(20, combine([unfinished, unfinished])))).toBe(undefined);
  });

  it('lets the limit around map be seen', () => {
    expect(codeOf(() => timeout(20, map([1, 2], unfinished)))).toBe('ERR_TIMEOUT');
  });

  it('fails each attempt of retry that has the limit', () => {
    let attempts = 0;
    const attempt = () => {
      attempts++;
      return timeout(20, unfinished());
    };
    expect(codeOf(() => retry(attempt, { times: 3 }))).toBe('ERR_TIMEOUT');
    expect(attempts).toBe(3);
  });

  it('ends retry without another attempt if the limit is around retry', () => {
    let attempts = 0;
    const attempt = () => {
      attempts++;
      return unfinished();
    };
    expect(codeOf(() => timeout(20, retry(attempt)))).toBe('ERR_TIMEOUT');
    expect(attempts).toBe(1);
  });

  it('is a rejected result of allSettled if the limit is in the member', () => {
    const results = play(() => allSettled([timeout(20, unfinished()), succeed(1, 'x')]));
    expect(results).toMatchObject([
      { status: 'rejected', reason: { code: 'ERR_TIMEOUT' } },
      { status: 'fulfilled', value: 'x' },
    ]);
  });
});

it('a race that is decided keeps its value if a limit cuts the losers', () => {
  function* loser(): Generator<Wait, never> {
    try {
      return yield* sleepForever();
    } finally {
      yield* shield(sleep(50));
      yield* sleep(1);
    }
  }
  expect(play(() => timeout(20, race([succeed(5, 'x'), loser()])))).toBe('x');
});

it('map closes its iterator if a limit cuts its tasks', () => {
  let closed = false;
  function* items(): Generator<number> {
    try {
      for (let i = 0; ; i++) yield i;
    } finally {
      closed = true;
    }
  }
  expect(codeOf(() => timeout(20, map(items(), sleepForever)))).toBe('ERR_TIMEOUT');
  expect(closed).toBe(true);
});
