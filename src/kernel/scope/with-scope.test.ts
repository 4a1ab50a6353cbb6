import { expect, test } from 'vitest';
import { codeThrownBy, failWhenCancelled } from '../../../test/support/kernel/operations.ts';
import {
  codeOf,
  failureOf,
  play,
  playScope,
  VirtualHost,
} from '../../../test/support/kernel/virtual-host.ts';
import { currentTask, now } from '../current.ts';
import type { TimeoutError } from '../errors.ts';
import { GroupError } from '../errors.ts';
import type { Operation } from '../operation.ts';
import { group } from '../task/group.ts';
import { checkpoint, sleep, sleepForever } from '../waits.ts';
import { shield } from './shield.ts';
import { deadline, moveOnAfter, scope, timeout } from './with-scope.ts';

test('scope, timeout, moveOnAfter and deadline return the value of their operation', () => {
  const values = play(function* () {
    const work = function* (): Operation<string> {
      yield* sleep(1);
      return 'value';
    };
    return [
      yield* scope(work),
      yield* timeout(10, work),
      yield* moveOnAfter(10, work),
      yield* deadline(10, work),
      yield* timeout(10, work()),
    ];
  });
  expect(values).toEqual(['value', 'value', 'value', 'value', 'value']);
});

test('scope, timeout, moveOnAfter and deadline run in the calling task', () => {
  play(function* () {
    const caller = currentTask();
    const work = function* () {
      expect(currentTask()).toBe(caller);
    };
    yield* scope(work);
    yield* timeout(10, work);
    yield* moveOnAfter(10, work);
    yield* deadline(10, work);
  });
});

test('a scope that is cancelled before its body returns has the value undefined', () => {
  const value = playScope(function* (s) {
    s.cancel();
    yield* sleep(1);
    return 'never';
  });
  expect(value).toBeUndefined();
});

test('a scope returns the value of a body that returned despite a cancellation', () => {
  const value = playScope(function* (s) {
    s.cancel();
    return 'value';
  });
  expect(value).toBe('value');
});

test('timeout throws a TimeoutError with the limit and the wait', () => {
  const error = failureOf(() => timeout(25, sleep(400))) as TimeoutError;
  expect(error.code).toBe('ERR_TIMEOUT');
  expect(error.limitMs).toBe(25);
  expect(error.waitedFor).toMatch(/sleep 400 ms/);
  expect(error.message).toMatch(/25 ms/);
  expect(error.message).toMatch(/sleep 400 ms/);
});

test('moveOnAfter returns undefined when the time is over', () => {
  const host = new VirtualHost();
  expect(host.play(() => moveOnAfter(25, sleepForever()))).toBeUndefined();
  expect(host.time).toBe(25);
});

test('deadline takes an absolute time on the clock of now()', () => {
  const host = new VirtualHost();
  const code = host.play(function* () {
    yield* sleep(10);
    return yield* codeThrownBy(deadline(25, sleepForever()));
  });
  expect([code, host.time]).toEqual(['ERR_TIMEOUT', 25]);
});

test('an operation that does not wait succeeds with timeout(0) and a past deadline', () => {
  const values = play(function* () {
    const work = function* (): Operation<string> {
      yield* checkpoint();
      return 'value';
    };
    yield* sleep(10);
    return [
      yield* timeout(0, work),
      yield* moveOnAfter(0, work),
      yield* deadline(now(), work),
      yield* deadline(5, work),
      yield* deadline(Number.NEGATIVE_INFINITY, work),
      yield* scope(work, { deadline: 5 }),
    ];
  });
  expect(values).toEqual(Array(6).fill('value'));
});

for (const [name, make] of Object.entries({
  'timeout(0)': () => timeout(0, sleep(1)),
  'timeout(0) of a bare yield': () =>
    timeout(0, function* () {
      yield;
    }),
  'a deadline that is now': () => deadline(0, sleep(1)),
  'a past deadline': () => deadline(-5, sleep(1)),
})) {
  test(`${name} expires when the operation waits`, () => {
    const host = new VirtualHost();
    expect(() => host.play(make)).toThrow(expect.objectContaining({ code: 'ERR_TIMEOUT' }));
    expect(host.time).toBe(0);
  });
}

test('a timeout returns the value of a computation that exceeded the limit', () => {
  const host = new VirtualHost();
  const value = host.play(() =>
    timeout(10, function* () {
      host.time += 1000;
      yield* checkpoint();
      return 'value';
    }),
  );
  expect(value).toBe('value');
});

test('timeout(Infinity) does not expire and arms no timer', () => {
  const host = new VirtualHost();
  host.play(() =>
    timeout(Infinity, function* () {
      expect(host.scheduler.stats().timers).toBe(0);
      yield* sleep(1e12);
    }),
  );
  expect(host.time).toBe(1e12);
});

test('a timeout above 2 ** 31 ms expires at its time', () => {
  const host = new VirtualHost();
  expect(() => host.play(() => timeout(2 ** 33, sleepForever()))).toThrow();
  expect(host.time).toBe(2 ** 33);
});

test('messages show rounded milliseconds', () => {
  const limit = 40 - 7.6e-6;
  const error = failureOf(() => timeout(limit, sleep(400.00000003))) as TimeoutError;
  expect(error.message).toBe(
    'The operation did not finish within 40 ms while waiting for sleep 400 ms',
  );
  expect(error.limitMs).toBe(limit);
});

test('an inner timeout does not throw a TimeoutError when the outer one expires', () => {
  const error = failureOf(() =>
    timeout(10, function* () {
      try {
        yield* timeout(50, sleepForever());
      } catch (caught) {
        if ((caught as TimeoutError).code === 'ERR_TIMEOUT') throw new Error('mistaken');
        throw caught;
      }
    }),
  ) as TimeoutError;
  expect([error.code, error.limitMs]).toEqual(['ERR_TIMEOUT', 10]);
});

test('an inner moveOnAfter does not catch the expiry of the outer one', () => {
  const log: string[] = [];
  play(function* () {
    const outer = yield* moveOnAfter(10, function* () {
      yield* moveOnAfter(50, sleepForever());
      log.push('continued');
    });
    log.push(`${outer}`);
  });
  expect(log).toEqual(['undefined']);
});

test('if an inner and an outer limit expire at the same time, the outer one applies', () => {
  const log: string[] = [];
  play(function* () {
    yield* moveOnAfter(10, function* () {
      try {
        yield* timeout(10, sleepForever());
      } catch (error) {
        log.push(String((error as { code?: string }).code));
        throw error;
      }
    });
  });
  expect(log).toEqual(['undefined']);
});

test('an expired inner limit does not end the outer one', () => {
  const host = new VirtualHost();
  const program = timeout(100, function* () {
    yield* moveOnAfter(10, sleepForever());
    yield* sleepForever();
  });
  expect(() => host.play(program)).toThrow(expect.objectContaining({ limitMs: 100 }));
  expect(host.time).toBe(100);
});

test('an error during the unwinding is thrown with the TimeoutError as its cause', () => {
  const broken = new Error('broken');
  const error = failureOf(() => timeout(10, failWhenCancelled(broken)));
  expect(error).toBe(broken);
  expect(broken.cause).toMatchObject({ code: 'ERR_TIMEOUT' });
});

test('an expired timeout does not replace the cause of an error', () => {
  const broken = new Error('broken', { cause: 'mine' });
  expect(failureOf(() => timeout(10, failWhenCancelled(broken)))).toBe(broken);
  expect(broken.cause).toBe('mine');
});

test('scope and moveOnAfter throw an error of the unwinding instead of returning undefined', () => {
  const [one, other] = [new Error('one'), new Error('other')];
  expect(failureOf(() => scope(() => failWhenCancelled(one), { deadline: 5 }))).toBe(one);
  expect(failureOf(() => moveOnAfter(5, failWhenCancelled(other)))).toBe(other);
});

test('values that cannot have a cause are thrown unchanged', () => {
  for (const thrown of ['text', null, Object.freeze(new Error('frozen'))]) {
    expect(failureOf(() => timeout(10, failWhenCancelled(thrown)))).toBe(thrown);
  }
});

test('an error within the time limit gets no cause', () => {
  const broken = new Error('broken');
  const work = function* (): Operation<void> {
    throw broken;
  };
  expect(failureOf(() => timeout(10, work))).toBe(broken);
  expect(broken.cause).toBeUndefined();
});

test('a failure in a group that a timeout has cancelled throws a GroupError', () => {
  const broken = new Error('broken');
  const error = failureOf(() =>
    timeout(
      10,
      group(() => failWhenCancelled(broken)),
    ),
  );
  expect(error).toBeInstanceOf(GroupError);
  expect((error as GroupError).errors).toEqual([broken]);
});

test('a timeout around a group cancels its tasks and waits for them', () => {
  const log: string[] = [];
  const code = codeOf(() =>
    timeout(
      10,
      group(function* (g) {
        g.spawn(function* () {
          try {
            yield* sleepForever();
          } finally {
            yield* shield(sleep(5));
            log.push(`child ${now()}`);
          }
        });
        yield* sleepForever();
      }),
    ),
  );
  expect([code, log]).toEqual(['ERR_TIMEOUT', ['child 15']]);
});

test('a timeout that did not expire leaves no timer', () => {
  const host = new VirtualHost();
  host.play(function* () {
    yield* timeout(1e6, sleep(1));
    expect(host.scheduler.stats().timers).toBe(0);
  });
});

test('the time limit of a timeout begins when it is driven', () => {
  const host = new VirtualHost();
  host.play(function* () {
    const limited = timeout(10, sleep(8));
    yield* sleep(100);
    yield* limited;
  });
  expect(host.time).toBe(108);
});

for (const [name, make] of Object.entries({
  timeout: () => timeout(1, checkpoint()),
  moveOnAfter: () => moveOnAfter(1, checkpoint()),
  deadline: () => deadline(1, checkpoint()),
  scope: () => scope(() => checkpoint()),
  shield: () => shield(checkpoint()),
})) {
  test(`a ${name} that is driven twice throws ERR_ALREADY_DRIVEN`, () => {
    const code = codeOf(function* () {
      const operation: Operation<unknown> = make();
      yield* operation;
      yield* operation;
    });
    expect(code).toBe('ERR_ALREADY_DRIVEN');
  });
}

for (const [ms, kind] of [
  [Number.NaN, RangeError],
  [-1, RangeError],
  ['5', TypeError],
  [undefined, TypeError],
] as const) {
  test(`a time limit of ${String(ms)} throws a ${kind.name} that contains the value`, () => {
    const given = ms as number;
    for (const make of [() => timeout(given, sleep(1)), () => moveOnAfter(given, sleep(1))]) {
      expect(make).toThrow(kind);
      expect(make).toThrow(/Expected `ms` to be .*, got .* \(\w+\)/);
    }
  });
}

test('deadline(NaN) throws a RangeError', () => {
  expect(() => deadline(Number.NaN, sleep(1))).toThrow(RangeError);
});

test('timeout and shield reject a value that is not an operation at once', () => {
  const promise = Promise.resolve() as unknown as Operation<void>;
  expect(() => timeout(5, promise)).toThrow(/until/);
  expect(() => shield('op' as unknown as Operation<void>)).toThrow(/operation/i);
});
