import { expect, test } from 'vitest';
import { play, playScope } from '../../test/support/kernel/virtual-host.ts';
import type { Operation, Wait } from './operation.ts';
import { checkSource, discard, isOperation, Lazy, operationOf, PAUSE, Step } from './operation.ts';
import { isCancelled } from './scope/cancelled.ts';
import { shield } from './scope/shield.ts';
import { deadline, moveOnAfter, scope, timeout } from './scope/with-scope.ts';
import { group } from './task/group.ts';
import { sleep } from './waits.ts';

class Two extends Step<string> {
  #paused = false;

  next(): IteratorResult<Wait, string> {
    if (this.#paused) return { done: true, value: 'two' };
    this.#paused = true;
    return PAUSE;
  }
}

test('an operation written by hand is driven by yield*', () => {
  expect(play(() => new Two())).toBe('two');
});

test('a cancellation that meets an operation written by hand goes through', () => {
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

test('a Step can be driven once, and return() counts as driving it', () => {
  const step = new Two();
  step.return();
  expect(() => step[Symbol.iterator]()).toThrow(
    expect.objectContaining({ code: 'ERR_ALREADY_DRIVEN' }),
  );
});

test('a Lazy makes its frames when it is driven, once', () => {
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

test('a Lazy that was given up cannot be driven', () => {
  const lazy = new Lazy(function* () {});
  lazy.return();
  expect(() => lazy[Symbol.iterator]()).toThrow(/driven/);
});

test('generators, hand-written operations and lazy ones are operations; data is not', () => {
  const operations = [(function* () {})(), new Two(), new Lazy(function* () {})];
  expect(operations.map(isOperation)).toEqual([true, true, true]);
  const others = [[], 'text', null, undefined, 5, {}, Promise.resolve(), () => undefined];
  expect(others.map(isOperation)).toEqual(others.map(() => false));
});

test('a function is called for its operation; what else it returns is refused', () => {
  const step = new Two();
  expect(operationOf(() => step)).toBe(step);
  const bad = (): Operation<void> => 'text' as unknown as Operation<void>;
  expect(() => operationOf(bad)).toThrow(expect.objectContaining({ code: 'ERR_NOT_AN_OPERATION' }));
});

test('the refusal of a promise names until and async', () => {
  const promise: unknown = Promise.resolve();
  expect(() => checkSource(promise)).toThrow(/until\(promise\)/);
  expect(() => checkSource(promise)).toThrow(/async/);
});

test('giving an operation up calls its return(), and leaves functions alone', () => {
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
  test(`giving up a ${name} gives up the operation in it`, () => {
    const step = new Two();
    discard(wrap(step));
    expect(() => step[Symbol.iterator]()).toThrow(
      expect.objectContaining({ code: 'ERR_ALREADY_DRIVEN' }),
    );
  });
}

test('nothing happens until an operation is driven', () => {
  let ran = 0;
  const body = function* (): Operation<void> {
    ran++;
  };
  const undriven = [scope(body), group(body), timeout(5, body), shield(body)];
  play(() => sleep(100));
  expect([ran, undriven.length]).toEqual([0, 4]);
});
