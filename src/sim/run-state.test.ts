import { describe, expect, it } from 'vitest';
import { failureCodeOf, simulationErrorOf } from '../../test/support/simulation.ts';
import type { Handler, Operation, ServerOptions } from '../index.ts';
import {
  Channel,
  connect,
  group,
  Lock,
  listen,
  map,
  moveOnAfter,
  scope,
  shield,
  sleep,
  sleepForever,
  TaskLocal,
  tcpServer,
  timeout,
} from '../index.ts';
import type { Scenario } from '../sim.ts';
import { simulate } from '../sim.ts';

describe('a deadlock', () => {
  it('fails the run and lists what each task of all hosts waits for', async () => {
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      const channel = new Channel<number>(0, 'orders');
      world.host('shop', function* (): Operation<void> {
        yield* channel.receive();
      });
      yield* channel.receive();
    });
    expect(failure.error).toMatchObject({ code: 'ERR_DEADLOCK' });
    expect(failure.tasks).toEqual([
      "main: task 1 'main' waits for receive from channel 'orders'",
      "shop: task 1 'shop' waits for receive from channel 'orders'",
    ]);
  });

  it('fails the run if tasks wait for locks in a circle, on any host', async () => {
    function* circle(): Operation<void> {
      const [a, b] = [new Lock('a'), new Lock('b')];
      yield* map([a, b], function* (first): Operation<void> {
        yield* first.acquire();
        yield* sleep(1);
        yield* (first === a ? b : a).acquire();
      });
    }
    expect(await failureCodeOf(circle)).toBe('ERR_DEADLOCK');
    const elsewhere = await failureCodeOf(function* (world): Operation<void> {
      world.host('a', circle);
      yield* sleep(1000);
    });
    expect(elsewhere).toBe('ERR_DEADLOCK');
  });

  it('is not reported for waiting hosts after the scenario has returned', async () => {
    const report = await simulate(function* (world): Operation<void> {
      world.host('server', () => tcpServer(80, () => sleep(0)));
      world.host('idle', sleepForever);
      yield* sleep(1);
    });
    expect(report).toMatchObject({ runs: 1, virtualMs: 1 });
  });
});

describe('a limit', () => {
  it('fails the run at maxVirtualMs', async () => {
    const failure = await simulationErrorOf(
      function* (world): Operation<void> {
        world.host('a', sleepForever);
        for (;;) yield* sleep(7);
      },
      { maxVirtualMs: 100 },
    );
    expect(failure.error).toMatchObject({ code: 'ERR_SIMULATION_LIMIT' });
    expect((failure.error as Error).message).toBe(
      [
        'The run has not ended after 100 virtual ms.',
        'The tasks:',
        "  main: task 1 'main' waits for sleep 7 ms",
        "  a: task 1 'a' waits for sleep forever",
      ].join('\n'),
    );
    expect(failure.virtualMs).toBe(98);
  });

  it('fails a run at maxSteps that loops over wrappers of operations that never wait', async () => {
    function* nothing(): Operation<void> {}
    const local = new TaskLocal(0);
    const wrappers: ((op: () => Operation<void>) => Operation<unknown>)[] = [
      (op) => scope(op),
      (op) => group(op),
      (op) => timeout(1000, op),
      (op) => moveOnAfter(1000, op),
      (op) => shield(op),
      (op) => local.with(1, op),
    ];
    for (const wrap of wrappers) {
      const code = await failureCodeOf(
        function* (): Operation<void> {
          for (;;) yield* wrap(nothing);
        },
        { maxSteps: 100 },
      );
      expect(code).toBe('ERR_SIMULATION_LIMIT');
    }
  });

  it('fails the run at maxSteps', async () => {
    const failure = await simulationErrorOf(
      function* (): Operation<void> {
        for (;;) yield;
      },
      { maxSteps: 5000 },
    );
    expect(failure.error).toMatchObject({ code: 'ERR_SIMULATION_LIMIT' });
    expect(failure.steps).toBe(5000);
  });

  it('does not fail a run that reaches it exactly', async () => {
    function* scenario(): Operation<void> {
      yield* sleep(10);
      yield* sleep(90);
    }
    const report = await simulate(scenario, { maxVirtualMs: 100, maxSteps: 3 });
    expect([report.steps, report.virtualMs]).toEqual([3, 100]);
    expect(await failureCodeOf(scenario, { maxSteps: 2 })).toBe('ERR_SIMULATION_LIMIT');
  });
});

describe('the end of a scenario', () => {
  it('fails the run if a cancelled host does not end', async () => {
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      world.host('stubborn', () => shield(sleepForever(), { withinMs: Infinity }));
      yield* sleep(1);
    });
    expect(failure.error).toMatchObject({ code: 'ERR_NOT_UNWOUND' });
    expect((failure.error as Error).message).toContain(
      "stubborn: task 1 'stubborn' waits for sleep forever",
    );
  });

  it('fails the run if a cancelled host takes too long to end', async () => {
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      world.host('slow', () => shield(sleep(3_600_000), { withinMs: Infinity }));
      yield* sleep(1);
    });
    expect(failure.error).toMatchObject({ code: 'ERR_NOT_UNWOUND' });
  });

  it('waits for the cleanup of the hosts', async () => {
    let cleaned = false;
    await simulate(function* (world): Operation<void> {
      world.host('a', function* (): Operation<void> {
        try {
          yield* sleepForever();
        } finally {
          yield* shield(sleep(50));
          cleaned = true;
        }
      });
      yield* sleep(1);
    });
    expect(cleaned).toBe(true);
  });

  it('cancels hosts that were started during cleanup, even after a crash', async () => {
    let cancelled = false;
    await simulate(function* (world): Operation<void> {
      world.host('a', function* (): Operation<void> {
        try {
          yield* sleepForever();
        } finally {
          world.host('late', function* (): Operation<void> {
            try {
              yield* sleepForever();
            } finally {
              cancelled = true;
            }
          });
          world.crash('a');
        }
      });
      yield* sleep(1);
    });
    expect(cancelled).toBe(true);
  });

  it('fails the run if the cleanup of a host throws', async () => {
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      world.host('a', function* (): Operation<void> {
        try {
          yield* sleepForever();
        } finally {
          // biome-ignore lint/correctness/noUnsafeFinally: that is what is tested.
          throw new Error('cannot clean up');
        }
      });
      yield* sleep(1);
    });
    expect(failure.message).toContain("Error: cannot clean up (host 'a'");
  });
});

describe('a problem that no task can receive', () => {
  it('fails the run if it is an error', async () => {
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      world.host('a', function* (): Operation<void> {
        yield* group(function* (g): Operation<void> {
          g.spawn(() => shield(sleep(5000), { withinMs: 10 }));
          yield* sleep(1);
          g.cancel();
        });
      });
      yield* sleep(100);
    });
    expect(failure.error).toMatchObject({ code: 'ERR_SHIELD_EXPIRED' });
  });

  it('is passed to hooks.onUnhandled if that hook is set', async () => {
    const unhandled: unknown[] = [];
    const failure = await simulationErrorOf(
      function* (): Operation<void> {
        yield* group(function* (g): Operation<void> {
          g.spawn(() => shield(sleep(5000), { withinMs: 10 }));
          yield* sleep(1);
          g.cancel();
          yield* sleep(1);
        });
      },
      { hooks: { onUnhandled: (error) => unhandled.push(error) } },
    );
    expect(failure.error).toMatchObject({ code: 'ERR_GROUP_CANCELLED' });
    expect(unhandled).toMatchObject([{ code: 'ERR_SHIELD_EXPIRED' }]);
  });

  it('is a warning in the report if it is a socket that was left open', async () => {
    const { warnings } = await simulate(
      function* (world): Operation<void> {
        world.host('a', function* (): Operation<void> {
          yield* listen(80);
        });
        yield* sleep(1);
      },
      { runs: 3 },
    );
    expect(warnings).toEqual([
      "a: Run 'a' ended with open resources, which are now closed: listener [::]:80",
    ]);
  });
});

describe('a handler of a simulated server that fails', () => {
  /** A host whose handler is `handler`, and a scenario that connects to it `times` times. */
  function serving(handler: Handler, options?: ServerOptions, times = 1): Scenario {
    return function* (world): Operation<void> {
      world.host('s', () => tcpServer(80, handler, options));
      for (let i = 0; i < times; i++) {
        const socket = yield* connect('s:80');
        try {
          yield* socket.recv();
        } finally {
          socket.close();
        }
      }
      yield* sleep(1000);
    };
  }

  const forgetful: Handler = function* (socket) {
    socket.sendAll('x');
  };
  const rethrow: ServerOptions = {
    onError: (error) => {
      throw error;
    },
  };

  it('is one warning of the runs, with its host and the line that threw', async () => {
    const scenario = serving(
      () => {
        throw new Error('a bug');
      },
      {},
      3,
    );
    const { runs, warnings } = await simulate(scenario, { runs: 5 });
    const line =
      /^host 's': the handler of a connection failed: Error: a bug \(at .*\.ts:\d+:\d+\)*$/;
    expect(runs).toBe(5);
    expect(warnings).toEqual([expect.stringMatching(line)]);
  });

  it('is a warning if its failure is a forgotten yield* of a send', async () => {
    const { warnings } = await simulate(serving(forgetful));
    const text =
      "host 's': the handler of a connection failed: UsageError: `socket.sendAll(data)` ";
    expect(warnings).toEqual([expect.stringContaining(text)]);
  });

  it('is a warning if it forgets the yield* of an operation without a socket', async () => {
    const { warnings } = await simulate(
      serving(function* (socket): Operation<void> {
        sleep(1);
        yield* socket.sendAll('x');
      }),
    );
    expect(warnings).toEqual([expect.stringContaining('`sleep(…)` was made and never driven')]);
  });

  it('adds at most 100 warnings to a report', async () => {
    let count = 0;
    const failing: Handler = () => {
      throw new Error(`bug ${count++}`);
    };
    const { warnings } = await simulate(serving(failing, {}, 60), { runs: 3 });
    expect(warnings.length).toBe(100);
  });

  it('fails the run if onError rethrows the error, whatever its code is', async () => {
    expect(await failureCodeOf(serving(forgetful, rethrow))).toBe('ERR_NOT_DRIVEN');
    for (const code of ['ERR_LEFT_OPEN', 'ERR_LONG_STEP', 'ERR_MINE']) {
      const failing: Handler = () => {
        throw Object.assign(new Error('a bug'), { code });
      };
      expect(await failureCodeOf(serving(failing, rethrow))).toBe(code);
    }
  });

  it('is not a warning if onError handles the error', async () => {
    const errors: unknown[] = [];
    const onError = (error: unknown) => void errors.push(error);
    const { warnings } = await simulate(serving(forgetful, { onError }));
    expect(errors).toMatchObject([{ code: 'ERR_NOT_DRIVEN' }]);
    expect(warnings).toEqual([]);
  });

  it('is not a warning if its peer has reset the connection', async () => {
    let handled = 0;
    const scenario: Scenario = function* (world): Operation<void> {
      world.host('s', () =>
        tcpServer(80, function* (socket): Operation<void> {
          handled++;
          yield* socket.recv();
        }),
      );
      const socket = yield* connect('s:80');
      yield* sleep(100);
      socket.reset();
      yield* sleep(1000);
    };
    const { warnings } = await simulate(scenario);
    expect([handled, warnings]).toEqual([1, []]);
  });
});

describe('hooks', () => {
  it('observe the tasks of every host', async () => {
    const finished: string[] = [];
    await simulate(
      function* (world): Operation<void> {
        world.host('a', () => sleep(1));
        yield* sleep(2);
      },
      { hooks: { taskFinished: (task) => finished.push(`${task.name} ${task.state}`) } },
    );
    expect(finished).toEqual(['a done', 'main done']);
  });
});
