import { describe, expect, it } from 'vitest';
import {
  askEcho,
  echoServer,
  resultOf,
  simulationErrorOf,
  sleepInLoop,
} from '../../test/support/simulation.ts';
import type { Operation } from '../index.ts';
import { Channel, connect, currentTask, moveOnAfter, now, sleep, timeout } from '../index.ts';
import { currentWorld } from '../net/current-world.ts';
import type { Host, Link, SimOptions, World } from '../sim.ts';
import { simulate } from '../sim.ts';

/** Runs `body` in a world and returns the message of the error that it throws. */
async function usageErrorOf(body: (world: World) => unknown): Promise<string> {
  const failure = await simulationErrorOf(function* (world): Operation<void> {
    world.host('there', sleepInLoop);
    body(world);
  });
  expect((failure.error as { code: string }).code).toMatch(/^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/);
  return (failure.error as Error).message;
}

describe('a host', () => {
  it('has a name and its own address, and runs until its program returns', async () => {
    await simulate(function* (world): Operation<void> {
      const [a, b] = [world.host('a', sleepInLoop), world.host('b', () => sleep(5))];
      expect([world.self.name, a.name, b.name]).toEqual(['main', 'a', 'b']);
      expect(new Set([world.self.address, a.address, b.address]).size).toBe(3);
      expect([a.running, b.running]).toEqual([true, true]);
      yield* sleep(6);
      expect([a.running, b.running]).toEqual([true, false]);
    });
  });

  it('is reached by its name and by its address', async () => {
    await simulate(function* (world): Operation<void> {
      const host = world.host('server', echoServer);
      yield* sleep(1);
      expect(yield* askEcho('server', 'by name')).toBe('by name');
      expect(yield* askEcho(host.address, 'by address')).toBe('by address');
    });
  });

  it('names its main task after itself', async () => {
    const names: string[] = [];
    await simulate(function* (world): Operation<void> {
      names.push(currentTask().name);
      world.host('a', function* (): Operation<void> {
        names.push(currentTask().name);
      });
      yield* sleep(1);
    });
    expect(names).toEqual(['main', 'a']);
  });

  it('has its own clock, which may run faster or slower', async () => {
    const readings: Record<string, number> = {};
    await simulate(function* (world): Operation<void> {
      yield* sleep(500);
      for (const [name, clockRate] of [
        ['fast', 2],
        ['slow', 0.1],
        ['odd', 1.0001],
      ] as const) {
        const program = function* (): Operation<void> {
          expect(now()).toBe(0);
          yield* sleep(100);
          readings[name] = world.now() - 500;
          expect(now()).toBeGreaterThanOrEqual(100);
        };
        world.host(name, program, { clockRate });
      }
      yield* sleep(2000);
    });
    expect(readings['fast']).toBe(50);
    expect(readings['slow']).toBe(1000);
    expect(readings['odd']).toBeCloseTo(99.99, 5);
  });

  it('fails the run if its program throws', async () => {
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      world.host('a', function* (): Operation<void> {
        yield* sleep(3);
        throw new Error('out of paper');
      });
      yield* sleep(10);
    });
    expect(failure.error).toEqual(new Error('out of paper'));
    expect(failure.message).toContain("Error: out of paper (host 'a', in task 'a')");
    expect(failure.virtualMs).toBe(3);
  });

  it('is cancelled when the scenario returns, and its cleanup runs', async () => {
    let cleaned = false;
    await simulate(function* (world): Operation<void> {
      world.host('a', function* (): Operation<void> {
        try {
          yield* sleepInLoop();
        } finally {
          cleaned = true;
        }
      });
      yield* sleep(1);
    });
    expect(cleaned).toBe(true);
  });

  it.each([
    ['a number', 5, 'Expected `name` to be the name of a host, got 5 (number)'],
    ['nothing', '', 'Expected `name` to be letters, digits'],
    ['an address', '10.0.0.1', 'Expected `name` to be letters, digits'],
    ['a name with a port', 'a:80', 'Expected `name` to be letters, digits'],
    ['localhost', 'localhost', 'Expected `name` to be a name that no host has yet'],
    ['a name that is taken', 'there', 'Expected `name` to be a name that no host has yet'],
    [
      'the name of the host of the scenario',
      'main',
      'Expected `name` to be a name that no host has yet',
    ],
  ])('cannot have %s as its name', async (_, name, message) => {
    expect(await usageErrorOf((world) => world.host(name as string, sleepInLoop))).toContain(
      message,
    );
  });

  it('rejects arguments that are not a program or a clock rate', async () => {
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      world.host('a', Promise.resolve() as never);
    });
    expect(failure.error).toMatchObject({ code: 'ERR_NOT_AN_OPERATION' });
    for (const clockRate of [0, -1, NaN, Infinity, '1' as never]) {
      const message = await usageErrorOf((world) => world.host('a', sleepInLoop, { clockRate }));
      expect(message).toContain('Expected `clockRate` to be a');
    }
  });
});

describe('a crash', () => {
  it('removes tasks without running their finally blocks, and resets connections', async () => {
    let cleaned = false;
    await simulate(function* (world): Operation<void> {
      const server = world.host('server', function* (): Operation<void> {
        try {
          yield* echoServer();
        } finally {
          cleaned = true;
        }
      });
      yield* sleep(1);
      const socket = yield* connect('server:7');
      yield* socket.sendAll('Hello');
      yield* socket.recv();
      const before = world.now();
      world.crash(server);
      expect(server.running).toBe(false);
      expect(yield* codeOfRecv(socket.recv())).toBe('ECONNRESET');
      expect(world.now()).toBeGreaterThan(before);
      socket.close();
    });
    expect(cleaned).toBe(false);
  });

  it('prevents tasks from being woken by objects that hosts share', async () => {
    const woken: string[] = [];
    await simulate(function* (world): Operation<void> {
      const channel = new Channel<string>(1);
      world.host('a', function* (): Operation<void> {
        woken.push(yield* channel.receive());
      });
      yield* sleep(1);
      world.crash('a');
      yield* channel.send('too late');
      yield* sleep(1);
    });
    expect(woken).toEqual([]);
  });

  it('is counted in the report, as are partitions and holds', async () => {
    const { faults } = await simulate(function* (world): Operation<void> {
      world.host('a', sleepInLoop);
      world.host('b', sleepInLoop);
      world.crash('*');
      world.crash('a');
      world.partitionOneWay('main', 'a');
      world.partition('a', 'b');
      world.hold('main', 'b');
    });
    expect(faults).toEqual({ crash: 2, partition: 3, hold: 1 });
  });

  it('can be followed by a restart of the program at the same address', async () => {
    let starts = 0;
    await simulate(function* (world): Operation<void> {
      const server: Host = world.host('server', function* (): Operation<void> {
        starts++;
        expect(now()).toBe(0);
        yield* echoServer();
      });
      yield* sleep(1);
      const { address } = server;
      world.crash(server);
      yield* sleep(100);
      world.restart('server');
      yield* sleep(1);
      expect(server.address).toBe(address);
      expect(yield* askEcho('server', 'again')).toBe('again');
      world.restart(server);
      yield* sleep(1);
      expect(yield* askEcho('server', 'and again')).toBe('and again');
    });
    expect(starts).toBe(3);
  });

  it('is rejected for the host of the scenario', async () => {
    expect(await usageErrorOf((world) => world.crash('main'))).toContain(
      "a host other than 'main'",
    );
    expect(await usageErrorOf((world) => world.restart(world.self))).toContain('Expected `host`');
  });
});

function* codeOfRecv(recv: Operation<Buffer>): Operation<unknown> {
  try {
    return (yield* recv).length;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

describe('the network of a world', () => {
  it('drops everything across a partition until it is healed', async () => {
    await simulate(function* (world): Operation<void> {
      world.host('server', echoServer);
      yield* sleep(1);
      world.partition('main', '*');
      expect(yield* moveOnAfter(5000, () => askEcho('server', 'lost'))).toBe(undefined);
      world.heal('main', 'server');
      expect(yield* timeout(5000, () => askEcho('server', 'healed'))).toBe('healed');
    });
  });

  it('drops one direction of a one-way partition', async () => {
    await simulate(function* (world): Operation<void> {
      world.host('server', echoServer);
      yield* sleep(1);
      const socket = yield* connect('server:7');
      world.partitionOneWay('server', 'main');
      yield* socket.sendAll('asked');
      expect(yield* moveOnAfter(1000, socket.recv())).toBe(undefined);
      world.heal('main', 'server');
      expect(String(yield* timeout(60_000, socket.recv()))).toBe('asked');
      socket.close();
    });
  });

  it('delays messages of a held link until it is released', async () => {
    await simulate(function* (world): Operation<void> {
      world.host('server', echoServer);
      yield* sleep(1);
      const socket = yield* connect('server:7');
      world.hold('main', 'server');
      yield* socket.sendAll('held');
      expect(yield* moveOnAfter(60_000, socket.recv())).toBe(undefined);
      world.release('server', 'main');
      expect(String(yield* timeout(1000, socket.recv()))).toBe('held');
      socket.close();
    });
  });

  it('applies the latency of a link', async () => {
    const took = await resultOf(
      function* (world): Operation<number> {
        world.host('server', echoServer);
        world.link('main', 'server', { latencyMs: [100, 100] });
        yield* sleep(1);
        const socket = yield* connect('server:7');
        const before = now();
        yield* socket.sendAll('far away');
        yield* socket.recv();
        socket.close();
        return now() - before;
      },
      { link: { latencyMs: [1, 1] } },
    );
    expect(took).toBe(200);
  });

  it('a link without a latency has the default of 1 to 10 ms', async () => {
    const roundTrip = (
      setLink: (world: World) => void,
      options: SimOptions,
    ): Promise<number | undefined> =>
      resultOf(function* (world): Operation<number> {
        world.host('server', echoServer);
        setLink(world);
        yield* sleep(1);
        const socket = yield* connect('server:7');
        const before = now();
        yield* socket.sendAll('there');
        yield* socket.recv();
        socket.close();
        return now() - before;
      }, options);
    const fromOption = await roundTrip(() => {}, { link: { loss: 0 } });
    const far: Link = { latencyMs: [100, 100] };
    const fromCall = await roundTrip((world) => world.link('main', 'server', {}), { link: far });
    for (const ms of [fromOption, fromCall]) {
      expect(ms).toBeGreaterThan(2);
      expect(ms).toBeLessThan(20);
    }
  });

  it('rejects unknown hosts', async () => {
    const unknown = "Expected `a` to be '*' or one of the hosts 'main', 'there', got \"missing\"";
    expect(await usageErrorOf((world) => world.partition('missing', 'there'))).toContain(unknown);
    expect(await usageErrorOf((world) => world.heal(5 as never, 'there'))).toContain(
      '`a` to be a host',
    );
    expect(await usageErrorOf((world) => world.hold('there', 'there'))).toContain(
      'a host other than',
    );
    const link = { latencyMs: [1] as never };
    expect(await usageErrorOf((world) => world.link('main', '*', link))).toContain(
      '`link.latencyMs`',
    );
  });
});

describe('signals', () => {
  it('end a process that does not listen for them, with exit code 128 + n', async () => {
    await simulate(function* (world): Operation<void> {
      const host = world.host('a', sleepInLoop);
      yield* sleep(1);
      world.signal(host, 'SIGTERM');
      expect([host.running, host.exitCode]).toEqual([false, 143]);
    });
    const kill = await usageErrorOf((world) => world.signal('there', 'SIGKILL' as never));
    expect(kill).toContain('Expected `signal` to be SIGHUP, SIGINT, SIGUSR2, SIGTERM');
  });
});

describe('the process of a host', () => {
  it('observes signals that it listens for, and may end itself', async () => {
    const observed: string[] = [];
    let unreached = true;
    await simulate(function* (world): Operation<void> {
      const host = world.host('a', function* (): Operation<void> {
        const { platform } = currentWorld();
        platform.report('a line');
        const forget = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
          platform.onSignal(signal, () => observed.push(signal)),
        );
        yield* sleep(10);
        for (const each of forget) each();
        platform.exit(3);
        unreached = false;
      });
      yield* sleep(5);
      world.signal('a', 'SIGINT');
      world.signal('*', 'SIGTERM');
      expect([host.running, host.exitCode]).toEqual([true, undefined]);
      yield* sleep(10);
      expect([host.running, host.exitCode, host.lines]).toEqual([false, 3, ['a line']]);
      world.restart(host);
      expect([host.running, host.exitCode]).toEqual([true, undefined]);
      yield* sleep(1);
      world.signal('a', 'SIGINT');
    });
    expect([observed, unreached]).toEqual([['SIGINT', 'SIGTERM', 'SIGINT'], true]);
  });

  it('fails the run if it is the process of the scenario and ends itself', async () => {
    const failure = await simulationErrorOf(function* (): Operation<void> {
      currentWorld().platform.exit(0);
    });
    expect((failure.error as Error).message).toContain("The program of host 'main' has ended");
  });
});
