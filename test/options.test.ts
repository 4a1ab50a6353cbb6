/** Options of all functions: a misspelled name is an error that names the intended one. */
import type { Operation, Socket } from 'coronet';
import {
  Broadcast,
  bindDatagram,
  connect,
  group,
  listen,
  map,
  pipe,
  run,
  scope,
  shield,
  sleep,
} from 'coronet';
import { health } from 'coronet/health';
import { Parking } from 'coronet/lowlevel';
import { runSimulated, simulate, simulateTest } from 'coronet/sim';
import { localTopics } from 'coronet/topics';
import { expect, test } from 'vitest';

/** Calls a function with options that its type does not permit. */
type AnyOptions = never;

function* nothing(): Operation<void> {}

const inGroup =
  (call: (tasks: { spawn(op: unknown, options: unknown): void; stop(o: unknown): void }) => void) =>
  () =>
    run(() =>
      group(function* (tasks) {
        call(tasks as never);
      }),
    );

const withSockets = (call: (a: Socket, b: Socket) => void) => () =>
  run(function* () {
    using listener = yield* listen('127.0.0.1:0');
    using client = yield* connect(listener.address);
    using accepted = yield* listener.accept();
    call(client, accepted);
  });

const scenario = (call: (world: never) => void) => () =>
  simulate(
    function* (world) {
      call(world as never);
    },
    { shrink: false },
  );

interface AnyWorld {
  host(name: string, program: unknown, options: unknown): void;
  eventually(name: string, predicate: unknown, options: unknown): void;
}

const misspelled: [name: string, call: () => unknown, key: string, guess: string][] = [
  ['group', () => group(nothing, { nam: 'a' } as AnyOptions), 'nam', 'name'],
  ['spawn', inGroup((g) => g.spawn(nothing, { deamon: true })), 'deamon', 'daemon'],
  ['group.stop', inGroup((g) => g.stop({ grace: 10 })), 'grace', 'graceMs'],
  ['scope', () => scope(nothing, { dedline: 1 } as AnyOptions), 'dedline', 'deadline'],
  ['shield', () => shield(nothing, { withinM: 1 } as AnyOptions), 'withinM', 'withinMs'],
  ['Parking', () => new Parking('a', { externl: true } as AnyOptions), 'externl', 'external'],
  ['map', () => map([1], nothing, { concurency: 2 } as AnyOptions), 'concurency', 'concurrency'],
  ['Broadcast', () => new Broadcast({ capacty: 5 } as AnyOptions), 'capacty', 'capacity'],
  ['pipe', withSockets((a, b) => pipe(a, b, { ends: true } as AnyOptions)), 'ends', 'end'],
  ['reader', withSockets((a) => a.reader({ maxx: 9 } as AnyOptions)), 'maxx', 'max'],
  ['readLine', withSockets((a) => a.reader().readLine({ maxx: 9 } as AnyOptions)), 'maxx', 'max'],
  [
    'writer',
    withSockets((a) => a.writer({ autoflush: true } as AnyOptions)),
    'autoflush',
    'autoFl',
  ],
  ['bindDatagram', () => bindDatagram(0, { maxlength: 5 } as AnyOptions), 'maxlength', 'maxLength'],
  [
    'hooks',
    () => run(nothing, { hooks: { taskSpwaned() {} } as AnyOptions }),
    'taskSpw',
    'taskSpa',
  ],
  ['simulate', () => simulate(nothing, { run: 5 } as AnyOptions), 'run', 'runs'],
  [
    'shrink',
    () => simulate(nothing, { shrink: { maxTrys: 5 } as AnyOptions }),
    'maxTr',
    'maxTries',
  ],
  ['runSimulated', () => runSimulated(nothing, { fault: {} } as AnyOptions), 'fault', 'faults'],
  ['simulateTest', () => simulateTest('a', nothing, { sed: 1, test } as AnyOptions), 'sed', 'seed'],
  [
    'world.host',
    scenario((w: AnyWorld) => w.host('a', nothing, { clockrate: 1 })),
    'clockrate',
    'clockRate',
  ],
  [
    'world.eventually',
    scenario((w: AnyWorld) => w.eventually('a', () => true, { withinms: 1 })),
    'withinms',
    'withinMs',
  ],
];

/** The innermost cause of what `call` throws or rejects with. */
async function errorOf(call: () => unknown): Promise<{ message: string; code?: string }> {
  try {
    await call();
  } catch (error) {
    const { errors, error: reason } = error as { errors?: unknown[]; error?: unknown };
    return (errors?.[0] ?? reason ?? error) as Error;
  }
  throw new Error('The call has succeeded');
}

test.each(misspelled)(
  'a misspelled option of %s is a TypeError with the intended name',
  async (_, call, key, guess) => {
    const error = await errorOf(call);
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain(`.${key}`);
    expect(error.message).toContain(`did you mean \`${guess}`);
    expect(error.code).toBe('ERR_INVALID_ARG_TYPE');
  },
);

test.each([
  [
    'a text as options of spawn',
    inGroup((g) => g.spawn(nothing, 'name')),
    /`options` to be an obj/,
  ],
  [
    'a name of spawn that is a number',
    inGroup((g) => g.spawn(nothing, { name: 5 })),
    /options\.name/,
  ],
  [
    'daemon: "yes" of spawn',
    inGroup((g) => g.spawn(nothing, { daemon: 'yes' })),
    /options\.daemon/,
  ],
  [
    'readLine(5)',
    withSockets((a) => a.reader().readLine(5 as AnyOptions)),
    /`options` to be an obj/,
  ],
  ['runs of runSimulated', () => runSimulated(nothing, { runs: 2 } as AnyOptions), /options\.runs/],
  [
    'a source of health without statistics',
    () => health(0, { servers: { a: 5 } as AnyOptions }),
    /`options\.servers\.a` to be a server or an object with `stats\(\)`/,
  ],
])('%s is a TypeError', async (_, call, message) => {
  expect(await errorOf(call)).toMatchObject({
    name: 'TypeError',
    message: expect.stringMatching(message),
  });
});

test('data that is neither text nor bytes is a TypeError that names both forms', async () => {
  const wrong = { x: 1 } as AnyOptions;
  const calls = [
    withSockets((a) => a.sendAll(wrong)),
    withSockets((a) => a.trySend(wrong)),
    withSockets((a) => a.writer().write(wrong)),
    () =>
      run(function* () {
        using topics = yield* localTopics();
        yield* topics.publish('a', wrong);
      }),
  ];
  for (const call of calls) {
    expect((await errorOf(call)).message).toContain('`data` to be a string or a Uint8Array, got');
  }
});

test('hooks of a class may have members that are not hooks', async () => {
  class Counter {
    spawned = 0;
    taskSpawned(): void {
      this.spawned++;
    }
  }
  const hooks = new Counter();
  await run(() => sleep(0), { hooks });
  expect(hooks.spawned).toBe(1);
});
