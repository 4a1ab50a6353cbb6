import { expect, test } from 'vitest';
import { whenCancelled } from '../../../test/support/kernel/operations.ts';
import {
  codeOf,
  failureOf,
  play,
  playGroup,
  VirtualHost,
} from '../../../test/support/kernel/virtual-host.ts';
import { currentTask, now } from '../current.ts';
import type { Operation } from '../operation.ts';
import { sleep, sleepForever } from '../waits.ts';
import type { Group } from './group.ts';
import { group } from './group.ts';
import type { Task } from './task.ts';

test('a group returns the value of its body', () => {
  expect(
    playGroup(function* () {
      return 'value';
    }),
  ).toBe('value');
});

test('a group is left when its body and all its children have ended', () => {
  const left = play(function* () {
    yield* group(function* (g) {
      g.spawn(() => sleep(30));
      g.spawn(() => sleep(10));
      yield* sleep(20);
    });
    return now();
  });
  expect(left).toBe(30);
});

test('spawn puts the child at the tail of the queue and returns at once', () => {
  const log: string[] = [];
  playGroup(function* (g) {
    const child = g.spawn(function* () {
      log.push('child');
    });
    log.push(`spawned ${child.state}`);
    yield;
    log.push(`after a yield ${child.state}`);
  });
  expect(log).toEqual(['spawned ready', 'child', 'after a yield done']);
});

test('children start in the order in which they were spawned', () => {
  const log: number[] = [];
  playGroup(function* (g) {
    for (let i = 0; i < 5; i++) {
      g.spawn(function* () {
        log.push(i);
        yield;
        log.push(i + 10);
      });
    }
  });
  expect(log).toEqual([0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
});

test('spawn takes an operation, a generator, or a function that returns one', () => {
  const values = playGroup(function* (g) {
    function* work(): Operation<string> {
      return 'generator';
    }
    const tasks = [g.spawn(work()), g.spawn(work), g.spawn(sleep(1))];
    const results: unknown[] = [];
    for (const task of tasks) results.push(yield* task.join());
    return results;
  });
  expect(values).toEqual(['generator', 'generator', undefined]);
});

for (const [name, value] of Object.entries({
  'a promise': Promise.resolve(),
  'a string': 'op',
  'an array': [],
  nothing: undefined,
  null: null,
  'a number': 5,
})) {
  test(`spawn of ${name} throws ERR_NOT_AN_OPERATION at once`, () => {
    playGroup(function* (g) {
      expect(() => g.spawn(value as unknown as Operation<void>)).toThrow(
        expect.objectContaining({ code: 'ERR_NOT_AN_OPERATION' }),
      );
    });
  });
}

test('a spawned async function fails its task with ERR_NOT_AN_OPERATION', () => {
  const error = failureOf(() =>
    group(function* (g) {
      g.spawn((async () => undefined) as unknown as () => Operation<void>);
    }),
  ) as AggregateError;
  expect(error.errors).toEqual([expect.objectContaining({ code: 'ERR_NOT_AN_OPERATION' })]);
  expect(error.errors[0].message).toMatch(/async/);
});

test('a spawned function runs inside its task', () => {
  playGroup(function* (g) {
    const task = g.spawn(() => {
      expect(currentTask()).toBe(task);
      return sleep(0);
    });
  });
});

test('the body of a group runs in the calling task', () => {
  play(function* () {
    const caller = currentTask();
    yield* group(function* () {
      expect(currentTask()).toBe(caller);
    });
  });
});

test('a child can spawn siblings after the body has returned', () => {
  const ends = play(function* () {
    const log: string[] = [];
    yield* group(function* (g) {
      g.spawn(function* () {
        yield* sleep(5);
        g.spawn(function* () {
          yield* sleep(5);
          log.push(`late ${now()}`);
        });
      });
    });
    log.push(`left ${now()}`);
    return log;
  });
  expect(ends).toEqual(['late 10', 'left 10']);
});

test('spawn into an ended group throws ERR_GROUP_ENDED and discards the operation', () => {
  play(function* () {
    let left: Group | undefined;
    yield* group(function* (g) {
      left = g;
    });
    const given: string[] = [];
    const operation = {
      [Symbol.iterator]: () => sleep(1)[Symbol.iterator](),
      return: () => given.push('returned'),
    };
    expect(() => left?.spawn(operation)).toThrow(
      expect.objectContaining({ code: 'ERR_GROUP_ENDED' }),
    );
    expect(given).toEqual(['returned']);
  });
});

test('cancel() and stop() of an ended group have no effect', () => {
  play(function* () {
    let left: Group | undefined;
    yield* group(function* (g) {
      left = g;
    });
    left?.cancel();
    left?.stop({ graceMs: 1 });
    yield* sleep(10);
    expect(left?.scope.cancelled).toBe(false);
  });
});

test('an inner group does not wait for the tasks of the outer one', () => {
  const log: string[] = [];
  playGroup(function* (outer) {
    outer.spawn(function* () {
      yield* sleep(20);
      log.push('outer child');
    });
    yield* group(function* (inner) {
      inner.spawn(function* () {
        yield* sleep(10);
        log.push('inner child');
      });
    });
    log.push('inner left');
  });
  expect(log).toEqual(['inner child', 'inner left', 'outer child']);
});

test('a group cancels its daemons when all other tasks have ended', () => {
  const log: string[] = [];
  const left = play(function* () {
    yield* group(function* (g) {
      g.spawn(() => whenCancelled(() => log.push(`daemon ends ${now()}`)), { daemon: true });
      g.spawn(() => sleep(10));
    });
    return now();
  });
  expect([log, left]).toEqual([['daemon ends 10'], 10]);
});

test('a daemon that fails cancels the group', () => {
  const error = failureOf(() =>
    group(function* (g) {
      g.spawn(
        function* () {
          yield* sleep(1);
          throw new Error('daemon broke');
        },
        { daemon: true },
      );
      yield* sleepForever();
    }),
  ) as AggregateError;
  expect(error.errors).toEqual([new Error('daemon broke')]);
});

test('a group waits for a task that a daemon spawns while it unwinds', () => {
  const log: string[] = [];
  playGroup(function* (g) {
    g.spawn(
      () =>
        whenCancelled(() =>
          g.spawn(function* () {
            log.push('last');
          }),
        ),
      { daemon: true },
    );
    yield;
  });
  expect(log).toEqual(['last']);
});

test('each of a thousand daemons is cancelled a few times only', () => {
  let calls = 0;
  playGroup(function* (g) {
    for (let i = 0; i < 1000; i++) g.spawn(() => sleepForever(), { daemon: true });
    const [last] = currentTask().children().slice(-1) as [Task<unknown>];
    const cancel = last.cancel.bind(last);
    last.cancel = (reason) => {
      calls++;
      cancel(reason);
    };
    yield;
  });
  expect(calls).toBeLessThan(10);
});

test('a group is lazy and can be driven once', () => {
  let ran = 0;
  const once = group(function* () {
    ran++;
  });
  expect(ran).toBe(0);
  play(() => once);
  expect(codeOf(() => once)).toBe('ERR_ALREADY_DRIVEN');
  expect(ran).toBe(1);
});

test('a group does not keep members that have ended', () => {
  const host = new VirtualHost();
  host.playGroup(function* (g) {
    for (let i = 0; i < 1000; i++) {
      g.spawn(() => sleep(1));
      yield* sleep(2);
      expect(currentTask().children()).toEqual([]);
    }
  });
  expect(host.scheduler.stats()).toMatchObject({ tasks: 0, timers: 0, spawned: 1001 });
});

test('disposing of a group cancels its tasks', async () => {
  const ended: string[] = [];
  await playGroup(function* (tasks) {
    tasks.spawn(() => whenCancelled(() => ended.push('child')));
    tasks[Symbol.dispose]();
  });
  expect(ended).toEqual(['child']);
});
