import { expect, test } from 'vitest';
import {
  failureOf,
  play,
  playGroup,
  VirtualHost,
} from '../../../test/support/kernel/virtual-host.ts';
import type { GroupError } from '../errors.ts';
import { UncooperativeError } from '../errors.ts';
import type { Operation, Wait } from '../operation.ts';
import { group } from '../task/group.ts';
import { sleep, sleepForever } from '../waits.ts';
import { isCancelled } from './cancelled.ts';
import { shield } from './shield.ts';
import { moveOnAfter, scope } from './with-scope.ts';

/** Ignores every cancellation and calls `count` for each. */
function* ignoreCancellation(
  count: () => void,
  op: () => Operation<unknown> = () => sleep(1),
): Operation<void> {
  for (;;) {
    try {
      yield* op();
    } catch (error) {
      if (!isCancelled(error)) throw error;
      count();
    }
  }
}

/** The failures of a group in which `op` runs and is cancelled after its first step. */
function errorsOf(op: () => Operation<unknown>, host = new VirtualHost()): readonly unknown[] {
  try {
    host.playGroup(function* (g) {
      const task = g.spawn(op, { name: 'loop' });
      yield;
      task.cancel('please');
    });
  } catch (error) {
    return (error as GroupError).errors;
  }
  throw new Error('the group did not fail');
}

test('a task that catches its cancellation in a loop is ended after 1000 deliveries', () => {
  let deliveries = 0;
  const errors = errorsOf(() => ignoreCancellation(() => deliveries++));
  expect(deliveries).toBe(1000);
  expect(errors).toEqual([expect.any(UncooperativeError)]);
  expect(errors[0]).toMatchObject({ code: 'ERR_UNCOOPERATIVE' });
});

test('the message of ERR_UNCOOPERATIVE names the task and the operation', () => {
  const [error] = errorsOf(() => ignoreCancellation(() => undefined)) as [Error];
  expect(error.message).toMatch(/'loop'/);
  expect(error.message).toMatch(/sleep/);
});

test('a cancelled task that catches in a loop of bare yields is ended', () => {
  const errors = errorsOf(() =>
    ignoreCancellation(
      () => undefined,
      function* () {
        yield;
      },
    ),
  );
  expect(errors).toEqual([expect.any(UncooperativeError)]);
});

test('a cancelled task that catches in a loop of invalid yields is ended', () => {
  function* nonsense(): Operation<void> {
    for (let i = 0; i < 5000; i++) {
      try {
        yield 'nonsense' as unknown as Wait;
      } catch (error) {
        if (i === 4999) throw error;
      }
    }
  }
  expect(errorsOf(nonsense)).toEqual([expect.any(UncooperativeError)]);
});

test('a task that is ended by force runs its finally blocks and skips its catch blocks', () => {
  const log: string[] = [];
  errorsOf(function* () {
    try {
      yield* ignoreCancellation(() => undefined);
    } catch {
      log.push('catch');
    } finally {
      log.push('finally');
    }
  });
  expect(log).toEqual(['finally']);
});

test('a task that yields while it is ended by force is abandoned', () => {
  const log: string[] = [];
  const [error] = errorsOf(function* () {
    try {
      yield* ignoreCancellation(() => undefined);
    } finally {
      log.push('before');
      yield* sleep(1);
      log.push('after');
    }
  }) as [Error];
  expect(log).toEqual(['before']);
  expect(error).toBeInstanceOf(UncooperativeError);
  expect(error.message).toMatch(/abandoned/);
});

test('an error from a finally block during a forced end is the cause', () => {
  const cleanup = new Error('cleanup');
  const errors = errorsOf(function* () {
    try {
      yield* ignoreCancellation(() => undefined);
    } finally {
      // biome-ignore lint/correctness/noUnsafeFinally: errors while unwinding are what is tested
      throw cleanup;
    }
  });
  expect(errors.some((error) => error instanceof UncooperativeError)).toBe(true);
  expect(errors.flatMap(withCauses)).toContain(cleanup);
});

function withCauses(error: unknown): unknown[] {
  const causes: unknown[] = [];
  for (let at = error; at !== undefined; at = (at as Error).cause) causes.push(at);
  return causes;
}

test('a task that ignores its cancellation for a second is ended', () => {
  const host = new VirtualHost();
  let deliveries = 0;
  const errors = errorsOf(
    () =>
      ignoreCancellation(() => {
        deliveries++;
        host.time += 10;
      }),
    host,
  );
  expect(errors).toEqual([expect.any(UncooperativeError)]);
  expect(deliveries).toBeLessThanOrEqual(102);
});

test('a task that ignores its cancellation does not starve other tasks', () => {
  const log: string[] = [];
  const host = new VirtualHost();
  errorsOf(
    () =>
      ignoreCancellation(() => {
        if (log.length < 3) log.push('delivered');
      }),
    host,
  );
  expect(host.scheduler.stats().batches).toBeGreaterThan(1000);
});

test('2000 expired timeouts in a loop do not count as ignored cancellations', () => {
  const count = play(function* () {
    let expired = 0;
    for (let i = 0; i < 2000; i++) {
      if ((yield* moveOnAfter(0.1, sleepForever())) === undefined) expired++;
    }
    return expired;
  });
  expect(count).toBe(2000);
});

test('twenty expired timeouts over two seconds do not count as ignored cancellations', () => {
  const count = play(function* () {
    let expired = 0;
    for (let i = 0; i < 20; i++) {
      if ((yield* moveOnAfter(100, sleepForever())) === undefined) expired++;
    }
    return expired;
  });
  expect(count).toBe(20);
});

test('the time in a shield does not count as time in which a cancellation is ignored', () => {
  const host = new VirtualHost();
  let deliveries = 0;
  const errors = errorsOf(function* () {
    yield* shield(function* () {
      for (let i = 0; i < 20; i++) yield* moveOnAfter(1, sleepForever());
      yield* sleep(3000);
    });
    yield* ignoreCancellation(() => deliveries++);
  }, host);
  expect(errors).toEqual([expect.any(UncooperativeError)]);
  expect(deliveries).toBe(1000);
});

test('a main task that ignores the cancellation of a scope in it is ended by force', () => {
  const error = failureOf(function* () {
    yield* scope(function* (s) {
      s.cancel();
      yield* ignoreCancellation(() => undefined);
    });
  });
  expect(error).toBeInstanceOf(UncooperativeError);
});

/** The order in which a child of an ignoring task ends and the group of that task is left. */
function orderOfEnd(op: (child: () => Operation<void>) => Operation<unknown>): string[] {
  const log: string[] = [];
  function* child(): Operation<void> {
    try {
      yield* sleepForever();
    } finally {
      yield* shield(sleep(50));
      log.push('child ended');
    }
  }
  play(function* () {
    try {
      yield* group(function* (g) {
        const task = g.spawn(() => op(child));
        yield* sleep(1);
        task.cancel();
      });
    } catch {
      log.push('group left');
    }
  });
  return log;
}

test('the children of a task that is ended by force end before its group is left', () => {
  const order = orderOfEnd((child) =>
    group(function* (inner) {
      inner.spawn(child);
      yield* ignoreCancellation(() => undefined);
    }),
  );
  expect(order).toEqual(['child ended', 'group left']);
});

test('the children of an abandoned task are cancelled and end before its group is left', () => {
  const order = orderOfEnd((child) =>
    group(function* (inner) {
      inner.spawn(child);
      yield;
      yield* scope(function* (s) {
        s.cancel();
        try {
          yield* ignoreCancellation(() => undefined);
        } finally {
          yield* sleep(1);
        }
      });
    }),
  );
  expect(order).toEqual(['child ended', 'group left']);
});

test('a task that a child of an abandoned task spawns ends before the group is left', () => {
  const log: string[] = [];
  const order = orderOfEnd((child) =>
    group(function* (inner) {
      inner.spawn(function* () {
        yield* shield(sleep(20));
        try {
          inner.spawn(child);
          log.push('taken');
        } catch (error) {
          log.push((error as { code: string }).code);
        }
      });
      try {
        yield* ignoreCancellation(() => undefined);
      } finally {
        yield* sleep(1);
      }
    }),
  );
  log.push(...order);
  expect(['child ended,group left', 'group left']).toContain(log.slice(1).join());
  expect(log.length).toBe(log[0] === 'taken' ? 3 : 2);
});

test('a cancelled iterator without throw() is closed with return()', () => {
  const log: string[] = [];
  playGroup(function* (g) {
    const task = g.spawn({
      [Symbol.iterator]: () => ({
        next: (): IteratorResult<Wait, void> => ({ done: false, value: ['sleep', 10] }),
        return: (): IteratorResult<Wait, void> => {
          log.push('closed');
          return { done: true, value: undefined };
        },
      }),
    });
    yield;
    task.cancel();
    yield* sleep(1);
    log.push(task.state);
  });
  expect(log).toEqual(['closed', 'cancelled']);
});

test('a cancelled iterator without throw() and return() ends', () => {
  const state = playGroup(function* (g) {
    const next = (): IteratorResult<Wait, void> => ({ done: false, value: undefined });
    const task = g.spawn({ [Symbol.iterator]: () => ({ next }) });
    yield;
    task.cancel();
    yield* sleep(1);
    return task.state;
  });
  expect(state).toBe('cancelled');
});
