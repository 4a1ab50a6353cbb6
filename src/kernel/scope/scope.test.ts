import { expect, test } from 'vitest';
import { codeThrownBy, thrownBy, whenCancelled } from '../../../test/support/kernel/operations.ts';
import {
  play,
  playGroup,
  playScope,
  VirtualHost,
} from '../../../test/support/kernel/virtual-host.ts';
import { currentScope, currentTask, now } from '../current.ts';
import type { Operation } from '../operation.ts';
import { group } from '../task/group.ts';
import type { TaskImpl } from '../task/task.ts';
import { checkpoint, sleep, sleepForever, sleepUntil } from '../waits.ts';
import { isCancelled } from './cancelled.ts';
import { moveOnAfter, scope, timeout } from './with-scope.ts';

const operations: Readonly<Record<string, () => Operation<unknown>>> = {
  'a bare yield': function* () {
    yield;
  },
  'a raw sleep': function* (): Operation<void> {
    yield ['sleep', 1];
  },
  'sleep(0)': () => sleep(0),
  'sleep(1)': () => sleep(1),
  sleepUntil: () => sleepUntil(0),
  sleepForever: () => sleepForever(),
  checkpoint: () => checkpoint(),
  'join of a finished task': () =>
    group(function* (g) {
      const task = g.spawn(function* () {});
      yield* sleep(0);
      yield* task.join();
    }),
};

for (const [name, make] of Object.entries(operations)) {
  test(`${name} throws Cancelled in a cancelled scope each time`, () => {
    const seen = play(function* () {
      const thrown: unknown[] = [];
      yield* scope(function* (s) {
        s.cancel('why');
        for (let i = 0; i < 3; i++) thrown.push(yield* thrownBy(make()));
      });
      return thrown;
    });
    expect(seen.map((error) => isCancelled(error) && error.reason)).toEqual(['why', 'why', 'why']);
  });
}

test('Cancelled is not an Error, and isCancelled recognises it', () => {
  const error = play(function* () {
    let thrown: unknown;
    yield* scope(function* (s) {
      s.cancel(42);
      thrown = yield* thrownBy(sleep(1));
    });
    return thrown;
  });
  expect(error).not.toBeInstanceOf(Error);
  expect(isCancelled(error) && error.reason).toBe(42);
  for (const other of [new Error('x'), undefined, null, 'Cancelled', { reason: 1 }]) {
    expect(isCancelled(other)).toBe(false);
  }
});

test('task.cancel() ends the operation in progress at once', () => {
  const host = new VirtualHost();
  host.playGroup(function* (g) {
    const task = g.spawn(() => sleep(1000));
    yield* sleep(10);
    task.cancel();
  });
  expect(host.time).toBe(10);
});

test('an operation in a finally block of a cancelled scope throws and unwinding continues', () => {
  const log: string[] = [];
  function* inner(): Operation<void> {
    try {
      yield* sleep(10);
    } finally {
      log.push('inner');
      try {
        yield* sleep(10);
        log.push('never');
      } finally {
        log.push('innermost');
      }
    }
  }
  playScope(function* (s) {
    s.cancel();
    try {
      yield* inner();
      log.push('never');
    } finally {
      log.push('outer');
    }
  });
  expect(log).toEqual(['inner', 'innermost', 'outer']);
});

test('operations after a cancelled scope work', () => {
  const end = play(function* () {
    yield* scope(function* (s) {
      s.cancel();
      yield* sleep(1);
    });
    yield* sleep(5);
    return now();
  });
  expect(end).toBe(5);
});

test('a task that cancels itself continues to its next operation', () => {
  const log: string[] = [];
  const state = playGroup(function* (g) {
    const task = g.spawn(function* () {
      currentTask().cancel('self');
      log.push('continues');
      yield* sleep(1);
      log.push('never');
    });
    yield* sleep(2);
    return task.state;
  });
  expect([state, log]).toEqual(['cancelled', ['continues']]);
});

test('a task that cancels itself and returns without another operation is done', () => {
  const result = playGroup(function* (g) {
    const task = g.spawn(function* () {
      currentTask().cancel();
      return 'value';
    });
    return [yield* task.join(), task.state];
  });
  expect(result).toEqual(['value', 'done']);
});

test('the reason of a scope is that of the first cancel()', () => {
  playScope(function* (s) {
    expect([s.cancelled, s.reason]).toEqual([false, undefined]);
    s.cancel('first');
    s.cancel('second');
    expect([s.cancelled, s.reason]).toEqual([true, 'first']);
  });
});

test('a second cancel() during the cleanup has no effect', () => {
  const log: unknown[] = [];
  playGroup(function* (g) {
    const task = g.spawn(function* () {
      try {
        yield* sleepForever();
      } catch (error) {
        log.push(isCancelled(error) && error.reason);
        log.push(yield* thrownBy(sleep(1)));
        throw error;
      }
    });
    yield;
    task.cancel('first');
    yield;
    task.cancel('second');
  });
  expect(log).toEqual(['first', expect.objectContaining({ reason: 'first' })]);
});

test('inner scopes do not catch the Cancelled of an outer scope', () => {
  const log: string[] = [];
  const value = playScope(function* (outer) {
    yield* scope(function* () {
      outer.cancel();
      yield* sleep(1);
    });
    log.push('never');
  });
  expect([value, log]).toEqual([undefined, []]);
});

test('if several scopes are cancelled, the outermost one provides the reason', () => {
  for (const order of ['inner first', 'outer first']) {
    const reasons = play(function* () {
      const seen: unknown[] = [];
      yield* scope(function* (outer) {
        yield* scope(function* (inner) {
          if (order === 'inner first') inner.cancel('inner');
          outer.cancel('outer');
          inner.cancel('inner');
          seen.push(((yield* thrownBy(sleep(1))) as { reason: unknown }).reason, inner.reason);
        });
      });
      return seen;
    });
    expect(reasons).toEqual(['outer', 'outer']);
  }
});

test('a scope catches only its own Cancelled', () => {
  let foreign: unknown;
  const log: string[] = [];
  play(function* () {
    yield* scope(function* (s) {
      s.cancel();
      foreign = yield* thrownBy(sleep(1));
    });
    const passed = yield* thrownBy(
      scope(function* (): Operation<void> {
        throw foreign;
      }),
    );
    log.push(passed === foreign ? 'passed' : 'caught');
  });
  expect(log).toEqual(['passed']);
});

test('a scope catches its own Cancelled although an outer scope is now cancelled', () => {
  const value = playScope(function* (outer) {
    yield* scope(function* (inner) {
      inner.cancel();
      const stale = yield* thrownBy(sleep(1));
      outer.cancel();
      throw stale;
    });
    return 'continued';
  });
  expect(value).toBe('continued');
});

test('cancelling a scope cancels the tasks of the groups inside it', () => {
  const ended: string[] = [];
  playScope(function* (s) {
    yield* group(function* (g) {
      for (const name of ['a', 'b']) {
        g.spawn(() => whenCancelled(() => ended.push(name)));
      }
      yield;
      s.cancel();
      yield* sleep(1);
    });
  });
  expect(ended).toEqual(['a', 'b']);
});

test('a task that was woken in the same turn returns despite the cancellation', () => {
  const log: string[] = [];
  const host = new VirtualHost();
  host.playGroup(function* (g) {
    const sleeper = g.spawn(function* () {
      yield* sleep(10);
      log.push('woke');
      yield* sleep(1);
      log.push('never');
    });
    // Both timers fire before the next batch, in which this task comes first.
    yield* sleep(10);
    expect(sleeper.state).toBe('ready');
    sleeper.cancel();
  });
  expect(log).toEqual(['woke']);
});

test('a scope that has ended refers to none of its former siblings', () => {
  const scopes = playGroup(function* (g) {
    const tasks = ['a', 'b', 'c'].map((name) => g.spawn(() => sleep(1), { name }) as TaskImpl);
    yield* sleep(2);
    return tasks.map((task) => task.ownScope);
  });
  expect(scopes.map(({ previous, next }) => [previous, next])).toEqual(Array(3).fill([null, null]));
});

test('currentScope() is the innermost scope that is not a timeout', () => {
  play(function* () {
    const own = currentScope();
    yield* scope(function* (s) {
      expect(currentScope()).toBe(s);
      yield* timeout(10, function* () {
        expect(currentScope()).toBe(s);
      });
      yield* group(function* (g) {
        expect(currentScope()).toBe(g.scope);
      });
      expect(currentScope()).toBe(s);
    });
    expect(currentScope()).toBe(own);
  });
});

test('a scope that is not driven to its end throws ERR_SCOPE_MISNESTED', () => {
  const code = play(function* () {
    return yield* codeThrownBy(
      scope(function* () {
        moveOnAfter(5, sleep(10))[Symbol.iterator]().next();
      }),
    );
  });
  expect(code).toBe('ERR_SCOPE_MISNESTED');
});
