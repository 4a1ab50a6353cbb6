import { expect, test } from 'vitest';
import { codeThrownBy, thrownBy } from '../../test/support/kernel/operations.ts';
import { play, playGroup } from '../../test/support/kernel/virtual-host.ts';
import { now } from './current.ts';
import type { Operation, Wait } from './operation.ts';
import { Readiness } from './readiness.ts';
import { isCancelled } from './scope/cancelled.ts';
import { scope, timeout } from './scope/with-scope.ts';
import { group } from './task/group.ts';
import { readable, sleep, writable } from './waits.ts';

/** The error that is thrown into a task that yields `value`. */
function errorOfYield(value: unknown): { code?: string; message: string; name: string } {
  return play(function* () {
    try {
      yield value as Wait;
    } catch (error) {
      return error as { code: string; message: string; name: string };
    }
    throw new Error('nothing was thrown');
  });
}

test('recv waits until the resource is readable', () => {
  const resource = new Readiness();
  playGroup(function* (g) {
    const reader = g.spawn(function* (): Operation<string> {
      yield ['recv', resource];
      return 'read';
    });
    yield;
    expect(reader.state).toBe('waiting');
    resource.notifyRecv();
    expect(reader.state).toBe('ready');
    expect(yield* reader.join()).toBe('read');
  });
});

test('send waits until the resource is writable', () => {
  const resource = new Readiness();
  playGroup(function* (g) {
    const writer = g.spawn(function* (): Operation<string> {
      yield ['send', resource];
      return 'sent';
    });
    yield;
    resource.notifyRecv();
    expect(writer.state).toBe('waiting');
    resource.notifySend();
    expect(yield* writer.join()).toBe('sent');
  });
});

test('recv and send on a ready resource let the other ready tasks run and return', () => {
  const resource = new Readiness();
  resource.notifyRecv();
  resource.notifySend();
  const others = playGroup(function* (g) {
    let steps = 0;
    g.spawn(
      function* () {
        for (;;) {
          steps++;
          yield;
        }
      },
      { daemon: true },
    );
    yield ['recv', resource];
    yield ['send', resource];
    yield* readable(resource);
    yield* writable(resource);
    return steps;
  });
  expect(others).toBe(4);
});

test('a reader and a writer can wait for the same resource', () => {
  const resource = new Readiness();
  const order: string[] = [];
  playGroup(function* (g) {
    g.spawn(function* () {
      yield* readable(resource);
      order.push('read');
    });
    g.spawn(function* () {
      yield* writable(resource);
      order.push('write');
    });
    yield;
    resource.notifySend();
    resource.notifyRecv();
  });
  expect(order).toEqual(['write', 'read']);
});

for (const direction of ['recv', 'send'] as const) {
  test(`a second ${direction} on a resource throws ERR_BUSY and does not affect the first`, () => {
    const resource = new Readiness();
    playGroup(function* (g) {
      const first = g.spawn(function* (): Operation<string> {
        yield [direction, resource];
        return 'first';
      });
      yield;
      const wait = { recv: readable, send: writable }[direction];
      expect(yield* codeThrownBy(wait(resource))).toBe('ERR_BUSY');
      expect(first.state).toBe('waiting');
      resource.notifyRecv();
      resource.notifySend();
      expect(yield* first.join()).toBe('first');
    });
  });
}

test('closing a resource throws the error into both of its waiters', () => {
  const resource = new Readiness();
  const closed = new Error('closed');
  const caught: unknown[] = [];
  function* waitFor(wait: () => Operation<void>): Operation<void> {
    try {
      yield* wait();
    } catch (error) {
      caught.push(error);
    }
  }
  playGroup(function* (g) {
    g.spawn(() => waitFor(() => readable(resource)));
    g.spawn(() => waitFor(() => writable(resource)));
    yield;
    resource.rejectWaiters(closed);
  });
  expect(caught).toEqual([closed, closed]);
});

test('a cancelled waiter is removed at once, so that another task can wait', () => {
  const resource = new Readiness();
  playGroup(function* (g) {
    const first = g.spawn(() => readable(resource));
    yield;
    first.cancel();
    expect(resource.recvWaiter).toBeNull();
    const second = g.spawn(() => readable(resource));
    yield;
    resource.notifyRecv();
    yield* second.join();
    expect([first.state, second.state]).toEqual(['cancelled', 'done']);
  });
});

test('a notified waiter returns despite a later cancel, and its next operation throws', () => {
  const resource = new Readiness();
  const seen: string[] = [];
  playGroup(function* (g) {
    const reader = g.spawn(function* () {
      yield* readable(resource);
      seen.push('notified');
      try {
        yield* readable(new Readiness());
      } catch (error) {
        seen.push(isCancelled(error) ? 'cancelled' : 'error');
      }
    });
    yield;
    resource.notifyRecv();
    reader.cancel();
  });
  expect(seen).toEqual(['notified', 'cancelled']);
});

test('in a cancelled scope a wait on a busy resource throws Cancelled, not ERR_BUSY', () => {
  const resource = new Readiness();
  playGroup(function* (g) {
    g.spawn(() => readable(resource));
    yield;
    yield* scope(function* (s) {
      s.cancel();
      yield* readable(resource);
    });
    resource.notifyRecv();
  });
});

test('a raw sleep waits for the given number of milliseconds', () => {
  const woke = play(function* () {
    yield ['sleep', 40];
    yield ['sleep', 0.5];
    return now();
  });
  expect(woke).toBe(40.5);
});

for (const ms of [Number.NaN, -1, Number.NEGATIVE_INFINITY]) {
  test(`a raw sleep of ${ms} throws a RangeError into the task that yielded it`, () => {
    expect(errorOfYield(['sleep', ms])).toBeInstanceOf(RangeError);
  });
}

for (const ms of ['5', undefined, null, 5n]) {
  test(`a raw sleep of ${typeof ms} ${ms} throws a TypeError into the task`, () => {
    expect(errorOfYield(['sleep', ms])).toBeInstanceOf(TypeError);
  });
}

test('a raw sleep of Infinity waits until it is cancelled', () => {
  playGroup(function* (g) {
    const sleeper = g.spawn(function* (): Operation<void> {
      yield ['sleep', Infinity];
    });
    yield* sleep(1e9);
    expect(sleeper.state).toBe('waiting');
    sleeper.cancel();
  });
});

const strange: readonly (readonly [name: string, value: unknown])[] = [
  ['a string', 'recv'],
  ['null', null],
  ['a number', 42],
  ['a symbol', Symbol('recv')],
  ['a function', () => undefined],
  ['an empty array', []],
  ['an unknown reason', ['read', new Readiness()]],
  ['an array of waits', [['sleep', 1]]],
  ['a plain object', {}],
  ['an object without a prototype', Object.create(null)],
  ['recv of nothing', ['recv']],
  ['recv of null', ['recv', null]],
  ['recv of something that cannot be polled', ['recv', { readiness: {} }]],
  ['send of a number', ['send', 3]],
  ['park of something that is no parking', ['park', { wake: () => undefined }]],
];

for (const [name, value] of strange) {
  test(`${name} throws ERR_UNKNOWN_REASON into the task that yielded it`, () => {
    expect(errorOfYield(value).code).toBe('ERR_UNKNOWN_REASON');
  });
}

test('a yielded promise throws ERR_UNKNOWN_REASON with a message that names until()', () => {
  const error = errorOfYield(Promise.resolve());
  expect(error.code).toBe('ERR_UNKNOWN_REASON');
  expect(error.message).toMatch(/until\(/);
});

test('a yielded operation throws ERR_UNKNOWN_REASON with a message that names yield*', () => {
  for (const operation of [sleep(1), (function* () {})(), scope(function* () {})]) {
    const error = errorOfYield(operation);
    expect(error.code).toBe('ERR_UNKNOWN_REASON');
    expect(error.message).toMatch(/yield\* /);
  }
});

test('the message of ERR_UNKNOWN_REASON names the task and the value', () => {
  const error = play(
    function* () {
      try {
        yield 'recv' as unknown as Wait;
      } catch (thrown) {
        return thrown as Error;
      }
      return new Error('nothing was thrown');
    },
    { name: 'worker' },
  );
  expect(error.message).toMatch(/'worker'/);
  expect(error.message).toMatch(/"recv"/);
});

test('ERR_UNKNOWN_REASON does not affect other tasks', () => {
  playGroup(function* (g) {
    const worker = g.spawn(function* () {
      yield* sleep(10);
      return 'done';
    });
    g.spawn(function* () {
      try {
        yield 'nonsense' as unknown as Wait;
      } catch {
        yield* sleep(1);
      }
    });
    expect(yield* worker.join()).toBe('done');
  });
});

test('a resource with a throwing readiness getter throws into the task that yielded it', () => {
  const broken = {
    get readiness(): Readiness {
      throw new Error('broken');
    },
  };
  expect(errorOfYield(['recv', broken]).message).toMatch(/broken|recv/);
  expect(errorOfYield(['send', broken]).message).toMatch(/broken|send/);
});

test('a yielded array that contains itself throws ERR_UNKNOWN_REASON', () => {
  const circle: unknown[] = [];
  circle.push(circle);
  expect(errorOfYield(circle).code).toBe('ERR_UNKNOWN_REASON');
});

test('a yielded revoked proxy throws an error into the task', () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  expect(errorOfYield(proxy)).toBeInstanceOf(Error);
});

const delegated: readonly [string, Iterable<unknown>, string][] = [
  ['an array', ['sleep', 10], "Write `yield ['sleep', …]` instead of `yield* ['sleep', …]`"],
  ['a string', 'abc', '`yield*` takes an operation'],
  ['a set', new Set([1]), '`yield*` takes an operation'],
];

for (const [name, items, advice] of delegated) {
  const drive = function* (): Generator<Wait, void> {
    yield* items as Iterable<Wait>;
  };

  test(`yield* of ${name} throws ERR_UNKNOWN_REASON with an advice into the task`, () => {
    const caught = play(() => thrownBy(drive()));
    expect(caught).toMatchObject({
      code: 'ERR_UNKNOWN_REASON',
      message: expect.stringContaining(advice),
    });
  });

  test(`yield* of ${name} in a group and a timeout fails with ERR_UNKNOWN_REASON`, () => {
    const failed = play(() => thrownBy(group(() => timeout(5, drive()))));
    expect(failed).toMatchObject({ errors: [{ code: 'ERR_UNKNOWN_REASON' }] });
    const leftover: unknown = [][Symbol.iterator]();
    expect('throw' in (leftover as object)).toBe(false);
  });
}

test('yield* of an iterator helper closes the iterator below it', () => {
  let closed = false;
  const items = {
    [Symbol.iterator]: () => items,
    __proto__: Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())),
    next: () => ({ done: false, value: 'nonsense' }),
    return: () => {
      closed = true;
      return { done: true, value: undefined };
    },
  } as unknown as Iterable<Wait>;
  const caught = play(() =>
    thrownBy(
      (function* (): Generator<Wait, void> {
        yield* items;
      })(),
    ),
  );
  expect([(caught as { code: string }).code, closed]).toEqual(['ERR_UNKNOWN_REASON', true]);
});
