/** AsyncLocalStorage that is set around `run` and `spawn`, as tasks see it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { runProgram } from '../../test/support/process/child-program.ts';
import { all } from '../flow/combinators/all.ts';
import { once } from '../interop/once.ts';
import { until } from '../interop/until.ts';
import type { Operation } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import { timeout } from '../kernel/scope/with-scope.ts';
import { group } from '../kernel/task/group.ts';
import { park, sleep, sleepForever } from '../kernel/waits.ts';
import type { Address } from '../net/address.ts';
import { connect } from '../net/tcp/connect.ts';
import { listen } from '../net/tcp/listen.ts';
import type { Socket } from '../net/tcp/socket.ts';
import { serve } from '../server/serve.ts';
import { run } from './run.ts';

const storage = new AsyncLocalStorage<string>();

test('a value that is set around run is visible after every wait', async () => {
  const seen = await storage.run('caller', () =>
    run(function* () {
      const before = storage.getStore();
      yield* sleep(1);
      return [before, storage.getStore()];
    }),
  );
  expect(seen).toEqual(['caller', 'caller']);
});

test('a task does not run in the context of the code that wakes it', async () => {
  const parking = new Parking();
  setTimeout(() => storage.run('stranger', () => parking.wake()), 1);
  const seen = await storage.run('caller', () =>
    run(function* () {
      const timer = setTimeout(() => {}, 100);
      yield* park(parking);
      clearTimeout(timer);
      return storage.getStore();
    }),
  );
  expect(seen).toBe('caller');
});

test('a value that is set around spawn is visible only in the task and its children', async () => {
  const seen: (string | undefined)[] = [];
  function* look(): Operation<void> {
    yield* sleep(1);
    seen.push(storage.getStore());
  }
  function* lookAndSpawn(): Operation<void> {
    yield* look();
    yield* group(function* (tasks) {
      tasks.spawn(look);
    });
  }
  await run(() =>
    group(function* (tasks) {
      storage.run('set', () => tasks.spawn(lookAndSpawn));
      yield* sleep(10);
      tasks.spawn(look);
    }),
  );
  expect(seen).toEqual(['set', 'set', undefined]);
});

test('a value that is set around spawn is visible after 1000 spawns without a value', async () => {
  const late = new AsyncLocalStorage<number>();
  const seen: (number | undefined)[] = [];
  function* look(): Operation<void> {
    yield;
    seen.push(late.getStore());
  }
  await run(() =>
    group(function* (tasks) {
      for (let i = 0; i < 1000; i++) tasks.spawn(function* () {});
      yield;
      for (let i = 0; i < 20; i++) late.run(i, () => tasks.spawn(look));
      tasks.spawn(look);
    }),
  );
  expect(seen).toEqual([...Array.from({ length: 20 }, (_, i) => i), undefined]);
});

test('enterWith in a task is visible in the task and in those that it spawns later', async () => {
  const late = new AsyncLocalStorage<string>();
  const seen: Record<string, (string | undefined)[]> = {};
  function* look(name: string): Operation<void> {
    for (let i = 0; i < 3; i++) {
      seen[name] = [...(seen[name] ?? []), late.getStore()];
      yield* sleep(0);
    }
  }
  function* enter(name: string): Operation<void> {
    yield* group(function* (tasks) {
      tasks.spawn(() => look(`${name}, early child`));
      late.enterWith(name);
      tasks.spawn(() => look(`${name}, late child`));
      yield* look(name);
      yield* until(Promise.resolve().then(() => (seen[`${name}, promise`] = [late.getStore()])));
    });
  }
  await run(() =>
    group(function* (tasks) {
      tasks.spawn(() => look('before'));
      tasks.spawn(() => enter('a'));
      tasks.spawn(() => enter('b'));
      tasks.spawn(() => look('after'));
      yield* look('main');
    }),
  );
  const three = (value?: string): unknown => [value, value, value];
  expect(seen).toEqual({
    main: three(),
    before: three(),
    after: three(),
    a: three('a'),
    b: three('b'),
    'a, early child': three(),
    'b, early child': three(),
    'a, late child': three('a'),
    'b, late child': three('b'),
    'a, promise': ['a'],
    'b, promise': ['b'],
  });
  expect(late.getStore()).toBeUndefined();
});

test('enterWith in a task is visible in it after an error, but not in hooks', async () => {
  const late = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const hooks = {
    stepBegins: () => void seen.push(late.getStore()),
    taskFinished: () => void seen.push(late.getStore()),
  };
  const own = await run(
    function* () {
      late.enterWith('set');
      try {
        yield* timeout(0, sleepForever());
      } catch {
        // The time limit has expired.
      }
      return late.getStore();
    },
    { hooks },
  );
  expect(own).toBe('set');
  expect(new Set(seen)).toEqual(new Set([undefined]));
});

test('enterWith in the handler of one client is not visible for another client', async () => {
  const identity = new AsyncLocalStorage<string>();
  function* handle(socket: Socket): Operation<void> {
    const reader = socket.reader();
    for (let name = yield* reader.readLine(); name !== null; name = yield* reader.readLine()) {
      yield* socket.sendAll(`${identity.getStore()}\n`);
      identity.enterWith(name);
    }
  }
  function* login(address: Address, name: string): Operation<string[]> {
    using socket = yield* connect(address);
    const reader = socket.reader();
    const answers: string[] = [];
    for (let i = 0; i < 3; i++) {
      yield* socket.sendAll(`${name}\n`);
      answers.push(String(yield* reader.readLine()));
    }
    return answers;
  }
  const answers = await run(function* () {
    const listener = yield* listen('127.0.0.1:0');
    return yield* group(function* (tasks) {
      tasks.spawn(() => serve(listener, handle), { daemon: true });
      const first = yield* all(['ann', 'bob'].map((name) => login(listener.address, name)));
      return [...first, yield* login(listener.address, 'eve')];
    });
  });
  expect(answers).toEqual(['ann', 'bob', 'eve'].map((name) => ['undefined', name, name]));
});

test('a task that is spawned in a captured context has the values of that context', async () => {
  const late = new AsyncLocalStorage<string>();
  const inCapture = late.run('captured', () => AsyncLocalStorage.snapshot());
  const seen: (string | undefined)[] = [];
  function* look(): Operation<void> {
    yield;
    seen.push(late.getStore());
  }
  await run(() =>
    group(function* (tasks) {
      late.enterWith('main');
      inCapture(() => tasks.spawn(look));
      yield* sleep(0);
      seen.push(late.getStore());
      const emitter = new EventEmitter();
      inCapture(() => setTimeout(() => emitter.emit('spawn'), 1));
      emitter.on('spawn', () => tasks.spawn(look));
      yield* once(emitter, 'spawn');
    }),
  );
  expect(seen.sort()).toEqual(['captured', 'captured', 'main']);
});

test('enterWith changes only its task in a program that has used no storage before', async () => {
  const { stdout } = await runProgram(`
    const { AsyncLocalStorage } = await import('node:async_hooks');
    const { group, run, sleep } = coronet;
    const storage = new AsyncLocalStorage();
    const seen = [];
    await run(() => group(function* (g) {
      for (let i = 0; i < 200; i++) g.spawn(function* () {});
      yield;
      for (let id = 1; id <= 3; id++) g.spawn(function* () {
        seen.push(storage.getStore());
        storage.enterWith(id);
        yield* sleep(0);
        seen.push(storage.getStore());
      });
      for (let id = 4; id <= 6; id++)
        storage.run(id, () => g.spawn(function* () { seen.push(storage.getStore()); }));
    }));
    console.log(seen.join(' '), storage.getStore());
  `);
  expect(stdout).toBe('   4 5 6 1 2 3 undefined\n');
});
