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
