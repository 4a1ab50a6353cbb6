import { expect, test } from 'vitest';
import { failAfter, failWhenCancelled } from '../../../test/support/kernel/operations.ts';
import { failureOf, play } from '../../../test/support/kernel/virtual-host.ts';
import { now } from '../current.ts';
import { GroupError } from '../errors.ts';
import type { Operation } from '../operation.ts';
import { shield } from '../scope/shield.ts';
import { sleep, sleepForever } from '../waits.ts';
import type { Group } from './group.ts';
import { group } from './group.ts';

/** The GroupError of a group with this body. */
function groupErrorOf(body: (g: Group) => Operation<unknown>): GroupError {
  const error = failureOf(() => group(body));
  expect(error).toBeInstanceOf(GroupError);
  return error as GroupError;
}

test('a group with a failed child throws a GroupError that contains the error', () => {
  const boom = new Error('boom');
  const error = groupErrorOf(function* (g) {
    g.spawn(() => failAfter(1, boom));
  });
  expect(error).toBeInstanceOf(AggregateError);
  expect(error.code).toBe('ERR_GROUP');
  expect(error.errors).toHaveLength(1);
  expect(error.errors[0]).toBe(boom);
  expect(error.cause).toBe(boom);
});

test('a group with a failed body and no children throws a GroupError', () => {
  const boom = new Error('boom');
  const error = groupErrorOf(function* () {
    throw boom;
  });
  expect(error.errors[0]).toBe(boom);
});

test('a body function that throws instead of returning an operation is a failed body', () => {
  const boom = new Error('boom');
  const error = groupErrorOf(() => {
    throw boom;
  });
  expect(error.errors).toEqual([boom]);
});

test('a failed child cancels the body and the other children', () => {
  const log: string[] = [];
  function* watched(name: string): Operation<void> {
    try {
      yield* sleepForever();
    } finally {
      log.push(`${name} ${now()}`);
    }
  }
  groupErrorOf(function* (g) {
    g.spawn(() => watched('sibling'));
    g.spawn(() => failAfter(5, new Error('boom')));
    yield* watched('body');
  });
  expect(log.sort()).toEqual(['body 5', 'sibling 5']);
});

test('a group throws after all its members have unwound', () => {
  const left = play(function* () {
    try {
      yield* group(function* (g) {
        g.spawn(() => failAfter(5, new Error('boom')));
        try {
          yield* sleepForever();
        } finally {
          yield* shield(sleep(40));
        }
      });
    } catch {
      return now();
    }
    return -1;
  });
  expect(left).toBe(45);
});

test('a GroupError lists its errors in order of occurrence, and the first is the cause', () => {
  const [a, b, c] = [new Error('a'), new Error('b'), new Error('c')];
  const error = groupErrorOf(function* (g) {
    g.spawn(() => failWhenCancelled(c), { name: 'third' });
    g.spawn(() => failAfter(10, a), { name: 'first' });
    yield* failWhenCancelled(b);
  });
  expect(error.errors[0]).toBe(a);
  expect(new Set(error.errors)).toEqual(new Set([a, b, c]));
  expect(error.cause).toBe(a);
});

test('a GroupError contains the errors of two children that fail in the same batch', () => {
  const [a, b] = [new Error('a'), new Error('b')];
  const error = groupErrorOf(function* (g) {
    g.spawn(() => failAfter(1, a));
    g.spawn(() => failAfter(1, b));
    yield* sleepForever();
  });
  expect(error.errors).toEqual([a, b]);
});

test('a GroupError contains the same error object once', () => {
  const boom = new Error('boom');
  const error = groupErrorOf(function* (g) {
    yield* g.spawn(() => failAfter(1, boom)).join();
  });
  expect(error.errors).toHaveLength(1);
  expect(error.errors[0]).toBe(boom);
});

test('a GroupError contains two errors with the same message', () => {
  const error = groupErrorOf(function* (g) {
    g.spawn(() => failAfter(1, new Error('same')));
    g.spawn(() => failAfter(1, new Error('same')));
  });
  expect(error.errors).toHaveLength(2);
});

test('a GroupError inside a GroupError is not flattened', () => {
  const boom = new Error('boom');
  const error = groupErrorOf(function* () {
    yield* group(function* (inner) {
      inner.spawn(() => failAfter(1, boom));
    });
  });
  expect(error.errors).toHaveLength(1);
  expect(error.errors[0]).toBeInstanceOf(GroupError);
  expect((error.errors[0] as GroupError).errors[0]).toBe(boom);
});

test('a GroupError contains errors thrown during the unwinding, in shields too', () => {
  const [boom, late] = [new Error('boom'), new Error('late')];
  const error = groupErrorOf(function* (g) {
    g.spawn(function* () {
      try {
        yield* sleepForever();
      } finally {
        yield* shield(failAfter(10, late));
      }
    });
    yield* failAfter(1, boom);
  });
  expect(error.errors).toEqual([boom, late]);
});

test('a failure in a cancelled group throws a GroupError instead of Cancelled', () => {
  const boom = new Error('boom');
  const error = groupErrorOf(function* (g) {
    g.cancel();
    yield* failWhenCancelled(boom);
  });
  expect(error.errors).toEqual([boom]);
});

test('a failure in a group that was cancelled from outside throws a GroupError', () => {
  const boom = new Error('boom');
  const error = groupErrorOf(function* (outer) {
    outer.spawn(() => group(() => failWhenCancelled(boom)), { name: 'holder' });
    yield;
    outer.cancel();
  });
  expect(error.errors[0]).toBeInstanceOf(GroupError);
  expect((error.errors[0] as GroupError).errors).toEqual([boom]);
});

test('the message of a GroupError names the failed tasks', () => {
  const error = groupErrorOf(function* (g) {
    g.spawn(() => failAfter(1, new Error('no disk')), { name: 'writer' });
    g.spawn(() => failAfter(1, new Error('no net')), { name: 'reader' });
  });
  expect(error.message).toMatch(/writer/);
  expect(error.message).toMatch(/reader/);
});

test('a GroupError of a thousand failures contains all errors and has a short message', () => {
  const error = groupErrorOf(function* (g) {
    for (let i = 0; i < 1000; i++) g.spawn(() => failAfter(1, new Error(`e${i}`)));
  });
  expect(error.errors).toHaveLength(1000);
  expect(error.message.length).toBeLessThan(2000);
});

/** A task inside a group inside a task …, the innermost of which fails. */
function* failDeep(depth: number): Operation<void> {
  if (depth === 0) throw new Error('deep');
  yield* group(function* (g) {
    g.spawn(() => failDeep(depth - 1));
  });
}

test('the message of a GroupError through many nested groups is short', () => {
  const error = groupErrorOf(() => failDeep(300));
  expect(error.message.length).toBeLessThan(2000);
});

for (const [name, thrown] of [
  ['undefined', undefined],
  ['null', null],
  ['a string', 'boom'],
  ['a symbol', Symbol('boom')],
  ['an object without a prototype', Object.create(null)],
] as const) {
  test(`a child that throws ${name} has failed`, () => {
    const error = groupErrorOf(function* (g) {
      g.spawn(() => failAfter(1, thrown));
    });
    expect(error.errors).toEqual([thrown]);
  });
}

test('a GroupError can contain a value whose toString() throws', () => {
  const hostile = {
    toString(): string {
      throw new Error('no text');
    },
  };
  const error = groupErrorOf(function* (g) {
    g.spawn(() => failAfter(1, hostile));
  });
  expect(error.errors[0]).toBe(hostile);
});

test('a task that catches a GroupError is not cancelled', () => {
  const after = play(function* () {
    try {
      yield* group(() => failAfter(1, new Error('boom')));
    } catch {
      yield* sleep(10);
    }
    return now();
  });
  expect(after).toBe(11);
});

test('a child that fails after the body returned makes the group throw a GroupError', () => {
  const error = groupErrorOf(function* (g) {
    g.spawn(() => failAfter(10, new Error('late')));
    return 'value';
  });
  expect(error.errors).toEqual([new Error('late')]);
});
