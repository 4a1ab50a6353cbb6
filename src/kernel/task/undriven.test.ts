import { setImmediate as nextLoop } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { runProgram } from '../../../test/support/process/child-program.ts';
import { warningsOf } from '../../../test/support/warnings.ts';
import { Channel } from '../../flow/channel.ts';
import { all } from '../../flow/combinators/all.ts';
import { race } from '../../flow/combinators/race.ts';
import { select } from '../../flow/select/select.ts';
import { connect } from '../../net/tcp/connect.ts';
import { listen } from '../../net/tcp/listen.ts';
import type { RunOptions } from '../../node/run.ts';
import { run } from '../../node/run.ts';
import { serve, tcpServer } from '../../server/serve.ts';
import { runSimulated, simulate } from '../../sim.ts';
import type { Operation, OperationSource } from '../operation.ts';
import { timeout } from '../scope/with-scope.ts';
import { sleep, sleepForever } from '../waits.ts';
import { group } from './group.ts';

/** The messages of the warnings about undriven operations in a run of `op`. */
async function reportsOf(op: OperationSource<unknown>, options?: RunOptions): Promise<string[]> {
  const warnings = await warningsOf(() => run(op, options).catch(() => undefined));
  return warnings.filter(({ code }) => code === 'ERR_NOT_DRIVEN').map(({ message }) => message);
}

describe('at the end of a run', () => {
  test.each([
    ['sleep', () => void sleep(1)],
    ['group', () => void group(function* () {})],
    ['tcpServer', () => void tcpServer('127.0.0.1:0', function* () {})],
    ['timeout', () => void timeout(1, () => sleep(1))],
    ['select', () => void select({ a: sleep(1) })],
    ['Channel.send', () => void new Channel<number>().send(1)],
    ['all', () => void all([function* () {}])],
  ])('an undriven %s is reported with its call and its line', async (name, make) => {
    const [report, ...others] = await reportsOf(
      function* () {
        make();
        yield* sleep(0);
      },
      { name: 'forgetful' },
    );
    expect(report).toContain(`Task 'forgetful': \`${name}(…)\` was made and never driven`);
    expect(report).toMatch(/missing at .*undriven\.test\.ts:\d+:\d+/);
    expect(report).toContain(`right:  yield* ${name}(…)`);
    expect(others).toEqual([]);
  });

  test('the operations of all finished tasks are reported in one warning', async () => {
    const reports = await reportsOf(() =>
      group(function* (tasks) {
        for (const name of ['a', 'b']) {
          tasks.spawn(
            function* () {
              sleep(1);
            },
            { name },
          );
        }
      }),
    );
    expect(reports).toEqual([expect.stringMatching(/^Task 'a': [\s\S]*\nTask 'b': /)]);
  });

  test('an undriven send of a client is reported', async () => {
    const reports = await reportsOf(function* () {
      const listener = yield* listen('127.0.0.1:0');
      const socket = yield* connect(listener.address);
      socket.sendAll('lost');
      socket.close();
      listener.close();
    });
    expect(reports).toEqual([expect.stringContaining('`socket.sendAll(data)` was made')]);
  });

  test('operations that were driven later, elsewhere or discarded are not reported', async () => {
    const reports = await reportsOf(function* () {
      const later = sleep(0);
      const listed = [1, 2, 3].map(() => sleep(0));
      const jobs = new Channel<Operation<void>>(1);
      yield* group(function* (tasks) {
        tasks.spawn(() => jobs.send(sleep(0)));
        tasks.spawn(sleep(0));
        yield* all(listed);
        yield* yield* jobs.receive();
      });
      yield* race([function* () {}, sleepForever()]);
      (timeout(1, sleep(1)) as unknown as { return(): void }).return();
      yield* later;
    });
    expect(reports).toEqual([]);
  });

  test('operations that a task has spawned before its end are not reported', async () => {
    const reports = await reportsOf(() =>
      group(function* (tasks) {
        tasks.spawn(function* () {
          for (let i = 0; i < 200; i++) tasks.spawn(sleep(0));
        });
        // More than are kept: the report about finished tasks comes before the spawned ones start.
        tasks.spawn(() => all(Array.from({ length: 400 }, () => sleep(0))));
      }),
    );
    expect(reports).toEqual([]);
  });

  test('operations of a task that has failed or was cancelled are not reported', async () => {
    const reports = await reportsOf(() =>
      group(function* (tasks) {
        tasks.spawn(function* () {
          const later = sleep(1);
          yield* sleepForever();
          yield* later;
        });
        yield;
        yield* all([sleep(1), undefined as never]);
      }),
    );
    expect(reports).toEqual([]);
  });

  test('a task with 100 000 undriven operations is reported with ten of them', async () => {
    const reports = await reportsOf(function* () {
      for (let i = 0; i < 100_000; i++) sleep(1);
    });
    expect(reports).toEqual([expect.stringMatching(/and 246 more$/)]);
  });

  test('debug mode records the line of every operation', async () => {
    const [report] = await reportsOf(
      function* () {
        for (let i = 0; i < 1100; i++) yield* sleep(0);
        sleep(1);
      },
      { debug: true },
    );
    expect(report).toMatch(/missing at .*undriven\.test\.ts:\d+:\d+/);
  });

  test('a simulation reports undriven operations as a warning', async () => {
    const { warnings } = await simulate(
      function* () {
        sleep(1);
      },
      { runs: 3 },
    );
    expect(warnings).toEqual([expect.stringContaining('was made and never driven')]);
    expect(await runSimulated(() => sleep(1))).toBeUndefined();
  });
});

describe('main', () => {
  test('reports a server without yield* and exits with code 0', async () => {
    const { code, stderr } = await runProgram(`
      await coronet.main(function* () {
        coronet.tcpServer('127.0.0.1:0', function* () {});
      });
    `);
    expect(stderr).toMatch(/`tcpServer\(…\)` was made and never driven/);
    expect(code).toBe(0);
  });
});

describe('await of an operation', () => {
  const awaited = expect.objectContaining({
    code: 'ERR_NOT_DRIVEN',
    message: expect.stringContaining('use `yield*`'),
  });
  let found: unknown[];

  beforeEach(() => {
    found = [];
  });

  test('rejects with an error that names yield*, and is not reported again', async () => {
    const reports = await reportsOf(function* () {
      const listener = yield* listen('127.0.0.1:0');
      const socket = yield* connect(listener.address);
      const made: Operation<unknown>[] = [
        sleep(1),
        group(function* () {}),
        socket.recv(),
        new Channel(1).send(1),
        select({ a: sleep(1) }),
      ];
      const ends = made.map((each) => Promise.resolve(each).catch((error) => found.push(error)));
      let settled = false;
      void Promise.all(ends).then(() => {
        settled = true;
      });
      while (!settled) yield* sleep(1);
      expect(found).toEqual(made.map(() => awaited));
      socket.close();
      listener.close();
    });
    expect(reports).toEqual([]);
    expect(found).toHaveLength(5);
  });

  test('as the result of an async function rejects in the same way', async () => {
    await expect((async () => sleep(1))()).rejects.toEqual(awaited);
  });

  test('as a call of then without a second function throws', () => {
    const operation = sleep(1) as unknown as PromiseLike<void>;
    expect(() => operation.then(() => undefined)).toThrow(awaited);
  });
});

describe('an async function', () => {
  const failing = async (): Promise<never> => {
    await null;
    throw new Error('of the async function');
  };

  test('as the body of a task fails, and its rejection does not end the process', async () => {
    const promise = failing as never;
    const bodies: OperationSource<unknown>[] = [
      promise,
      () => group(promise),
      () => timeout(1000, promise),
      () => all([promise]),
      () =>
        group(function* (tasks) {
          tasks.spawn(promise);
        }),
    ];
    for (const body of bodies) {
      const error: unknown = await run(body).catch((thrown: unknown) => thrown);
      expect(String((error as AggregateError).errors?.[0] ?? error)).toMatch(/`function\*`/);
    }
    await nextLoop(); // vitest fails on an unhandled rejection
  });

  test('as a hook is reported as a warning', async () => {
    const hooks = { taskFinished: failing as () => void };
    const warnings = await warningsOf(() => run(() => sleep(0), { hooks }));
    expect(warnings.map(({ message }) => message)).toEqual(['of the async function']);
  });

  test.each(['onListening', 'onClose', 'onError', 'onDrained'])(
    'as %s of a server is reported to onUnhandled',
    async (name) => {
      const unhandled: unknown[] = [];
      const hooks = { onUnhandled: (error: unknown) => void unhandled.push(String(error)) };
      await run(
        function* () {
          const options = { [name]: failing };
          const listener = yield* listen('127.0.0.1:0');
          yield* group(function* (tasks) {
            tasks.spawn(
              serve(
                listener,
                function* () {
                  if (name === 'onError') throw new Error('of the handler');
                },
                options,
              ),
            );
            const socket = yield* connect(listener.address);
            yield* socket.recv();
            socket.close();
            tasks.stop();
          });
          while (unhandled.length === 0) yield* sleep(1);
        },
        { hooks },
      );
      expect(unhandled).toEqual(['Error: of the async function']);
    },
  );

  test('as a handler fails its connection and does not end the process', async () => {
    const { stderr, stdout } = await runProgram(`
      const { connect, group, listen, main, serve } = coronet;
      await main(function* () {
        const listener = yield* listen('127.0.0.1:0');
        yield* group(function* (tasks) {
          tasks.spawn(() => serve(listener, async (socket) => {
            await socket.sendAll(await socket.recv());
          }));
          const socket = yield* connect(listener.address);
          yield* socket.sendAll('x');
          console.log((yield* socket.recv()).length);
          tasks.cancel();
        });
      });
      console.log('ended');
    `);
    expect(stdout).toBe('0\nended\n');
    expect(stderr).toMatch(
      /^coronet: the handler of \S+ failed: UsageError: Expected an operation/,
    );
  });
});

test('the error of yield* with a promise names until', async () => {
  const error = await run(function* (): Operation<void> {
    yield* Promise.resolve() as unknown as Operation<void>;
  }).catch((thrown: unknown) => thrown as Error);
  expect(error).toMatchObject({ message: expect.stringContaining('yield* until(promise)') });
});

test('an operation that is iterated outside tasks throws ERR_NO_TASK', () => {
  expect(() => [...sleep(1)]).toThrow(expect.objectContaining({ code: 'ERR_NO_TASK' }));
});
