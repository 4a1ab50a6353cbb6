import { expect, test } from 'vitest';
import { thrownBy } from '../../test/support/kernel/operations.ts';
import { play, playScope } from '../../test/support/kernel/virtual-host.ts';
import { all } from '../flow/combinators/all.ts';
import { any } from '../flow/combinators/any.ts';
import { map } from '../flow/combinators/map.ts';
import { race } from '../flow/combinators/race.ts';
import { retry } from '../flow/combinators/retry.ts';
import { Lock } from '../flow/lock.ts';
import type { Operation, Wait } from './operation.ts';
import { checkSource, discard, isOperation, Lazy, operationOf, PAUSE, Step } from './operation.ts';
import { isCancelled } from './scope/cancelled.ts';
import { shield } from './scope/shield.ts';
import { deadline, moveOnAfter, scope, timeout } from './scope/with-scope.ts';
import { group } from './task/group.ts';
import { TaskLocal } from './task/task-local.ts';
import { sleep } from './waits.ts';

class Two extends Step<string> {
  #paused = false;

  next(): IteratorResult<Wait, string> {
    if (this.#paused) return { done: true, value: 'two' };
    this.#paused = true;
    return PAUSE;
  }
}

test('yield* drives an operation that is written as an iterator', () => {
  expect(play(() => new Two())).toBe('two');
});

test('a Step throws the cancellation that interrupts it', () => {
  const seen = playScope(function* (s) {
    s.cancel();
    try {
      yield* new Two();
    } catch (error) {
      return isCancelled(error);
    }
    return false;
  });
  expect(seen).toBe(true);
});

test('a Step after return() cannot be driven', () => {
  const step = new Two();
  step.return();
  expect(() => step[Symbol.iterator]()).toThrow(
    expect.objectContaining({ code: 'ERR_ALREADY_DRIVEN' }),
  );
});

test('a Lazy calls its function when it is driven, and only once', () => {
  let made = 0;
  const lazy = new Lazy(function* () {
    made++;
    return 'value';
  });
  expect(made).toBe(0);
  expect(play(() => lazy)).toBe('value');
  expect(() => lazy[Symbol.iterator]()).toThrow(
    expect.objectContaining({ code: 'ERR_ALREADY_DRIVEN' }),
  );
  expect(made).toBe(1);
});

test('a Lazy after return() cannot be driven', () => {
  const lazy = new Lazy(function* () {});
  lazy.return();
  expect(() => lazy[Symbol.iterator]()).toThrow(/driven/);
});

test('isOperation accepts generators, Steps and Lazys, and rejects other values', () => {
  const operations = [(function* () {})(), new Two(), new Lazy(function* () {})];
  expect(operations.map(isOperation)).toEqual([true, true, true]);
  const others = [[], 'text', null, undefined, 5, {}, Promise.resolve(), () => undefined];
  expect(others.map(isOperation)).toEqual(others.map(() => false));
});

test('operationOf calls a function and rejects a result that is not an operation', () => {
  const step = new Two();
  expect(operationOf(() => step)).toBe(step);
  const bad = (): Operation<void> => 'text' as unknown as Operation<void>;
  expect(() => operationOf(bad)).toThrow(expect.objectContaining({ code: 'ERR_NOT_AN_OPERATION' }));
});

test('checkSource rejects a promise with a message that names until() and async', () => {
  const promise: unknown = Promise.resolve();
  expect(() => checkSource(promise)).toThrow(/until\(promise\)/);
  expect(() => checkSource(promise)).toThrow(/async/);
});

test('discard calls return() of an operation and does not call a function', () => {
  const step = new Two();
  discard(step);
  expect(() => step[Symbol.iterator]()).toThrow();
  discard(() => {
    throw new Error('called');
  });
});

const wrappers: Readonly<Record<string, (op: Operation<unknown>) => Operation<unknown>>> = {
  timeout: (op) => timeout(5, op),
  moveOnAfter: (op) => moveOnAfter(5, op),
  deadline: (op) => deadline(5, op),
  shield: (op) => shield(op),
};

for (const [name, wrap] of Object.entries(wrappers)) {
  test(`discarding a ${name} discards the operation in it`, () => {
    const step = new Two();
    discard(wrap(step));
    expect(() => step[Symbol.iterator]()).toThrow(
      expect.objectContaining({ code: 'ERR_ALREADY_DRIVEN' }),
    );
  });
}

test('scope, group, timeout and shield do nothing until they are driven', () => {
  let ran = 0;
  const body = function* (): Operation<void> {
    ran++;
  };
  const undriven = [scope(body), group(body), timeout(5, body), shield(body)];
  play(() => sleep(100));
  expect([ran, undriven.length]).toEqual([0, 4]);
});

test('group and scope with an operation as their body name the function that they need', () => {
  const wrong = sleep(1) as never;
  for (const [name, call] of Object.entries({ group, scope })) {
    expect(() => call(wrong)).toThrow(
      expect.objectContaining({
        code: 'ERR_NOT_AN_OPERATION',
        message: expect.stringMatching(`Expected a function.*\n  right:  ${name}\\(function\\*`),
      }),
    );
    expect(() => call(5 as never)).toThrow('Expected an operation, got 5');
  }
});

function* load(): Generator<Wait, number> {
  yield* sleep(1);
  return 1;
}

const drivers: Readonly<Record<string, (op: Operation<number>) => Operation<unknown>>> = {
  'spawned twice': (op) =>
    group(function* (g) {
      g.spawn(op);
      yield* g.spawn(() => op).join();
    }),
  'given to a timeout twice': function* (op) {
    yield* timeout(5, op);
    yield* timeout(5, op);
  },
  'returned by the body of two scopes': function* (op) {
    yield* scope(() => op);
    yield* scope(() => op);
  },
  'given to a shield and to moveOnAfter': function* (op) {
    yield* shield(op);
    yield* moveOnAfter(5, op);
  },
  'a member of all twice': (op) => all([op, op]),
  'a member of race twice': (op) => race([op, op]),
  'a member of any and then of all': function* (op) {
    yield* any([op]);
    yield* all([op]);
  },
  'returned to map for each item': (op) => map([1, 2], () => op, { concurrency: 1 }),
  'returned to retry for each attempt': (op) => {
    let attempts = 0;
    const failing = function* (): Generator<Wait, void> {
      attempts++;
      yield* op;
      throw new Error('again');
    };
    const same = failing();
    return retry(() => same, { times: 3, when: () => attempts < 3 });
  },
  'run under two locks': function* (op) {
    yield* new Lock().with(op);
    yield* new Lock().with(op);
  },
  'run under two TaskLocals': function* (op) {
    yield* new TaskLocal(1).with(2, op);
    yield* new TaskLocal(1).with(2, op);
  },
  'driven after it was discarded': function* (op) {
    discard(op);
    yield* timeout(5, op);
  },
};

for (const [use, drive] of Object.entries(drivers)) {
  test(`a generator that is ${use} fails with ERR_ALREADY_DRIVEN`, () => {
    const error = play(() => thrownBy(drive(load()))) as Error & { errors?: readonly unknown[] };
    const cause = error.errors?.[0] ?? error;
    expect(cause).toMatchObject({
      code: 'ERR_ALREADY_DRIVEN',
      message: expect.stringContaining('call the generator function again'),
    });
  });
}

test('an operation whose iterator is made for each drive can be driven again', () => {
  const again = { [Symbol.iterator]: load };
  expect(play(() => all([again, again]))).toEqual([1, 1]);
});

test('a frozen generator can be driven', () => {
  expect(play(() => timeout(5, Object.freeze(load())))).toBe(1);
});
