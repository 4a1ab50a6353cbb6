import { getEventListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { warningsOf } from '../../test/support/warnings.ts';
import { currentTask, now } from '../kernel/current.ts';
import type { DeadlockError } from '../kernel/errors.ts';
import { GroupError } from '../kernel/errors.ts';
import type { Operation } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import { isCancelled } from '../kernel/scope/cancelled.ts';
import { scope } from '../kernel/scope/with-scope.ts';
import { group } from '../kernel/task/group.ts';
import type { Task } from '../kernel/task/task.ts';
import { park, sleep, sleepForever } from '../kernel/waits.ts';
import { listen } from '../net/tcp/listen.ts';
import { run } from './run.ts';

/** Returns the error that `promise` rejects with. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('resolved');
    },
    (error) => error,
  );
}

test('run resolves with the value of its operation', async () => {
  expect(
    await run(function* () {
      return 'value';
    }),
  ).toBe('value');
  expect(await run(sleep(1))).toBeUndefined();
});

test('run rejects with the error of its operation, unwrapped', async () => {
  for (const error of [new Error('boom'), 'text', undefined, null]) {
    const failing = run(function* (): Operation<void> {
      yield* sleep(0);
      throw error;
    });
    expect(await rejection(failing)).toBe(error);
  }
});

test('run rejects with the GroupError of a group, unwrapped', async () => {
  const failing = run(() =>
    group(function* (g) {
      g.spawn(function* (): Operation<void> {
        throw new Error('boom');
      });
    }),
  );
  expect(await rejection(failing)).toBeInstanceOf(GroupError);
});

test('run never throws synchronously', async () => {
  for (const op of [undefined, 'op', Promise.resolve(), async () => undefined]) {
    const failing = run(op as unknown as Operation<void>);
    expect(await rejection(failing)).toMatchObject({ code: 'ERR_NOT_AN_OPERATION' });
  }
});

test('run rejects an unknown option and suggests the option that was meant', async () => {
  const wrong = [
    [{ network: 'portable' }, 'Expected `options.network` to be absent (known: signal, backend, '],
    [{ backends: 'epoll' }, 'Expected `options.backends` to be absent (did you mean `backend`?)'],
  ] as const;
  for (const [options, message] of wrong) {
    const error = await rejection(run(sleep(1), options as object));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    expect(String(error)).toContain(message);
  }
});

test('run steps no task before it has returned', async () => {
  const log: string[] = [];
  const running = run(function* () {
    log.push('stepped');
  });
  log.push('returned');
  await running;
  expect(log).toEqual(['returned', 'stepped']);
});

test('run settles when every task has finished, including daemons', async () => {
  const log: string[] = [];
  await run(() =>
    group(function* (g) {
      g.spawn(
        function* () {
          try {
            yield* sleepForever();
          } finally {
            log.push('daemon ended');
          }
        },
        { daemon: true },
      );
      yield* sleep(1);
    }),
  );
  expect(log).toEqual(['daemon ended']);
});

test('a sleep lasts at least as long as requested', async () => {
  const began = performance.now();
  const [slept, outside] = await run(function* () {
    const before = now();
    yield* sleep(15.5);
    return [now() - before, performance.now() - began];
  });
  expect(slept).toBeGreaterThanOrEqual(15.5);
  expect(outside).toBeGreaterThanOrEqual(15.5);
});

test('a sleep above 2 ** 31 milliseconds does not end at once, and emits no warning', async () => {
  const warnings = await warningsOf(async () => {
    const state = await run(() =>
      group(function* (g) {
        const sleeper = g.spawn(() => sleep(2 ** 31 + 5));
        yield* sleep(20);
        const seen = sleeper.state;
        sleeper.cancel();
        return seen;
      }),
    );
    expect(state).toBe('waiting');
  });
  expect(warnings).toEqual([]);
});

test('the main task has the name that run was given', async () => {
  expect(
    await run(function* () {
      return currentTask().name;
    }),
  ).toBe('main');
  expect(
    await run(
      function* () {
        return currentTask().name;
      },
      { name: 'echo' },
    ),
  ).toBe('echo');
});

test('tasks use the clock option of run', async () => {
  let time = 1000;
  const clock = { now: () => (time += 0.5) };
  const seen = await run(
    function* () {
      return [now(), now()];
    },
    { clock },
  );
  expect((seen[1] as number) - (seen[0] as number)).toBe(0.5);
});

test('a clock that does not advance does not starve the event loop', async () => {
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  await run(
    function* () {
      for (let i = 0; i < 500_000 && !turned; i++) yield;
    },
    { clock: { now: () => 0 } },
  );
  expect(turned).toBe(true);
});

test('the hooks option of run is called for its tasks', async () => {
  const log: string[] = [];
  const hooks = { taskFinished: (task: Task<unknown>) => log.push(`${task.name} ${task.state}`) };
  await run(function* () {}, { hooks });
  expect(log).toEqual(['main done']);
});

test('a task that only yields does not starve timers and promises of the process', async () => {
  const log: string[] = [];
  const running = run(function* () {
    while (log.length < 3) yield;
  });
  void delay(1).then(() => log.push('timer'));
  setImmediate(() => log.push('immediate'));
  void Promise.resolve().then(() => log.push('promise'));
  await running;
  expect(log.sort()).toEqual(['immediate', 'promise', 'timer']);
});

test('several runs work at the same time', async () => {
  const log: string[] = [];
  function* counting(name: string): Operation<void> {
    for (let i = 0; i < 3; i++) {
      log.push(name + i);
      yield* sleep(2);
    }
  }
  await Promise.all([run(() => counting('a')), run(() => counting('b'))]);
  expect(log).toHaveLength(6);
});

test('a run that throws the Cancelled of another run rejects with an Error', async () => {
  let foreign: unknown;
  await run(() =>
    scope(function* (s) {
      s.cancel();
      try {
        yield* sleep(1);
      } catch (error) {
        foreign = error;
        throw error;
      }
    }),
  );
  const error = await rejection(
    run(function* (): Operation<void> {
      throw foreign;
    }),
  );
  expect([isCancelled(error), error instanceof Error]).toEqual([false, true]);
});

test('a main task that cancels itself makes run reject, never with a bare Cancelled', async () => {
  const error = await rejection(
    run(function* () {
      currentTask().cancel('why');
      yield* sleep(1);
    }),
  );
  expect(error).toMatchObject({ code: 'ERR_TASK_CANCELLED', cause: 'why' });
});

test('aborting the signal cancels the main task, and run rejects with the reason', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const log: string[] = [];
  const running = run(
    function* () {
      try {
        yield* group(function* (g) {
          g.spawn(() => sleepForever());
          yield* sleepForever();
        });
      } finally {
        log.push('unwound');
      }
    },
    { signal: controller.signal },
  );
  setTimeout(() => controller.abort(reason), 5);
  expect(await rejection(running)).toBe(reason);
  expect(log).toEqual(['unwound']);
});

test('a signal without a reason of its own rejects with its AbortError', async () => {
  const signal = AbortSignal.abort();
  expect(await rejection(run(sleepForever(), { signal }))).toBe(signal.reason);
});

test('a run with an aborted signal starts its task and cancels it', async () => {
  const log: string[] = [];
  const running = run(
    function* () {
      log.push('started');
      try {
        yield* sleep(1);
      } finally {
        log.push('closed');
      }
    },
    { signal: AbortSignal.abort('before') },
  );
  expect(await rejection(running)).toBe('before');
  expect(log).toEqual(['started', 'closed']);
});

test('an aborted run whose main operation returned a value resolves', async () => {
  const value = await run(
    function* () {
      try {
        yield* sleepForever();
      } catch (error) {
        return isCancelled(error);
      }
      return 'not cancelled';
    },
    { signal: AbortSignal.abort('why') },
  );
  expect(value).toBe(true);
});

test('an aborted run that fails while unwinding rejects with that error', async () => {
  const broken = new Error('broken');
  const reason = new Error('enough');
  const running = run(
    function* () {
      try {
        yield* sleepForever();
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: errors while unwinding are tested
        throw broken;
      }
    },
    { signal: AbortSignal.abort(reason) },
  );
  expect(await rejection(running)).toBe(broken);
  expect(broken.cause).toBe(reason);
});

test('a run removes its abort listener when it ends', async () => {
  const controller = new AbortController();
  expect(
    await run(
      function* () {
        return 1;
      },
      { signal: controller.signal },
    ),
  ).toBe(1);
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  controller.abort();
});

test('a join that closes a cycle fails its task at once with a DeadlockError', async () => {
  const error = (await rejection(
    run(() =>
      group(function* (g) {
        const a: Task<unknown> = g.spawn(
          function* () {
            yield* b.join();
          },
          { name: 'hen' },
        );
        const b: Task<unknown> = g.spawn(() => a.join(), { name: 'egg' });
        yield* sleep(5000);
      }),
    ),
  )) as GroupError;
  expect(error.errors).toMatchObject([{ code: 'ERR_DEADLOCK' }]);
  expect(error.message).toMatch(/'egg' → 'hen' → 'egg'/);
});

test('a DeadlockError contains the errors that its tasks threw while cancelled', async () => {
  const broken = new Error('broken');
  const deadlocked = rejection(
    run(() =>
      group(function* (g) {
        g.spawn(function* () {
          try {
            yield* park(new Parking());
          } finally {
            // biome-ignore lint/correctness/noUnsafeFinally: errors while unwinding are tested
            throw broken;
          }
        });
      }),
    ),
  );
  await delay(5);
  process.emit('beforeExit', 0);
  const error = (await deadlocked) as DeadlockError;
  const errors = error.errors.flatMap((one) => (one instanceof GroupError ? one.errors : [one]));
  expect(errors).toContain(broken);
});

test('a signal cuts a group whose body has returned, and run rejects with its reason', async () => {
  const controller = new AbortController();
  const cut = rejection(
    run(
      () =>
        group(function* (g) {
          g.spawn(sleepForever);
          return 'value';
        }),
      { signal: controller.signal },
    ),
  );
  await delay(1);
  controller.abort('stop');
  expect(await cut).toBe('stop');
});

test('resources that a run left open are closed and listed in a warning', async () => {
  const leaky = function* (): Operation<void> {
    yield* listen('127.0.0.1:0');
  };
  const warnings = await warningsOf(() => run(leaky, { name: 'leaky' }));
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatchObject({ code: 'ERR_LEFT_OPEN' });
  expect(warnings[0]?.message).toMatch(/leaky.*127\.0\.0\.1:\d+/);
});

test('an error of a hook is a warning', async () => {
  const hooks = {
    taskSpawned: () => {
      throw new Error('hook broke');
    },
  };
  const one = function* (): Operation<number> {
    return 1;
  };
  const warnings = await warningsOf(async () => expect(await run(one, { hooks })).toBe(1));
  expect(warnings.map(({ message }) => message)).toEqual(['hook broke']);
});
