import { describe, expect, it } from 'vitest';
import { askEcho, echoServer, simulationErrorOf } from '../../test/support/simulation.ts';
import type { Operation } from '../index.ts';
import { connect, group, listen, moveOnAfter, now, sleep } from '../index.ts';
import type { Scenario, SimOptions, SimReport } from '../sim.ts';
import { simulate } from '../sim.ts';

const YEAR_MS = 365 * 24 * 3_600_000;

function* nothing(): Operation<void> {}

/** Two hosts that exchange messages, with random delays. */
const chatter: Scenario = function* (world): Operation<void> {
  world.host('server', echoServer);
  yield* sleep(world.random() * 10);
  yield* group(function* (g): Operation<void> {
    for (let i = 0; i < 3; i++) g.spawn(() => askEcho('server', `message ${i}`));
  });
};

describe('virtual time', () => {
  it('skips a year of sleep without waiting', async () => {
    const report = await simulate(
      function* (): Operation<void> {
        yield* sleep(YEAR_MS);
        expect(now()).toBe(YEAR_MS);
      },
      { maxVirtualMs: Infinity },
    );
    expect(report.virtualMs).toBe(YEAR_MS);
  });

  it('does not advance while tasks run', async () => {
    await simulate(function* (): Operation<void> {
      for (let i = 0; i < 900; i++) yield;
      expect(now()).toBe(0);
    });
  });

  it('advances while a task spins until another task has slept', async () => {
    await simulate(function* (): Operation<void> {
      let there = false;
      yield* group(function* (g): Operation<void> {
        g.spawn(function* (): Operation<void> {
          yield* sleep(2);
          there = true;
        });
        while (!there) yield;
      });
      expect(now()).toBeGreaterThanOrEqual(2);
    });
  });
});

describe('simulate', () => {
  it('returns before the first task makes a step', async () => {
    let begun = false;
    const ended = simulate(function* (): Operation<void> {
      begun = true;
    });
    await Promise.resolve();
    expect(begun).toBe(false);
    await ended;
    expect(begun).toBe(true);
  });

  it('reports on its runs', async () => {
    const report = await simulate(chatter, { seed: 7, runs: 5 });
    expect(report).toMatchObject({
      runs: 5,
      seed: 7,
      order: 'random',
      faults: {},
      deterministic: true,
      warnings: [],
    });
    expect(report.traceHash).toMatch(/^[0-9a-f]{16}$/);
    expect(report.events).toBeGreaterThan(report.steps);
    expect(report.interleavings).toBeGreaterThan(1);
    expect(report.interleavings).toBeLessThanOrEqual(5);
  });

  it('runs once with seed 1 by default', async () => {
    const report = await simulate(nothing);
    expect([report.seed, report.runs, report.interleavings]).toEqual([1, 1, 1]);
  });

  it('returns equal reports for equal seeds, and different ones for different seeds', async () => {
    const [first, again, other] = [
      await simulate(chatter, { seed: 3 }),
      await simulate(chatter, { seed: 3 }),
      await simulate(chatter, { seed: 4 }),
    ] as [SimReport, SimReport, SimReport];
    expect(again).toEqual(first);
    expect(other.traceHash).not.toBe(first.traceHash);
  });

  it('produces the same trace for a seed on every machine and every version of Node', async () => {
    expect((await simulate(fixedProgram, { seed: 42 })).traceHash).toBe('1e15e09c1994bffb');
  });

  it('uses the seed + i for run i, and that seed alone repeats the run', async () => {
    const hashes: string[] = [];
    for (const seed of [10, 11, 12]) hashes.push((await simulate(chatter, { seed })).traceHash);
    expect(new Set(hashes).size).toBe(3);
    const failing: Scenario = function* (world): Operation<void> {
      yield* chatter(world);
      if (world.random() > 0.8) throw new Error('by chance');
    };
    const failure = await simulationErrorOf(failing, { seed: 10, runs: 100 });
    const alone = await simulationErrorOf(failing, { seed: failure.seed });
    expect(failure.run).toBe(failure.seed - 10);
    expect(alone.run).toBe(0);
    expect(alone.traceHash).toBe(failure.traceHash);
  });

  it('stops at the first run that fails', async () => {
    let runs = 0;
    const failure = await simulationErrorOf(
      function* (): Operation<void> {
        if (++runs === 3) throw new Error('third');
      },
      { runs: 10 },
    );
    expect([runs, failure.run, failure.seed]).toEqual([3, 2, 3]);
  });

  it('lets the event loop turn between runs and during a long run', async () => {
    let turns = 0;
    const count = (): void => {
      turns++;
      immediate = setImmediate(count);
    };
    let immediate = setImmediate(count);
    await simulate(nothing, { runs: 1000 });
    const between = turns;
    await simulate(function* (): Operation<void> {
      for (let i = 0; i < 100_000; i++) yield;
    });
    clearImmediate(immediate);
    expect(between).toBeGreaterThan(2);
    expect(turns - between).toBeGreaterThan(2);
  });
});

/** Uses the kernel and the choices of the simulator only: the network model may change. */
const fixedProgram: Scenario = function* (world): Operation<void> {
  for (const name of ['a', 'b']) {
    world.host(name, function* (): Operation<void> {
      for (let i = 0; i < 10; i++) yield* sleep(world.random() * 3);
    });
  }
  yield* group(function* (g): Operation<void> {
    for (let i = 0; i < 10; i++) g.spawn(() => sleep(i % 3));
  });
  yield* sleep(100);
};

describe('simulate rejects', () => {
  const wrong: readonly [title: string, options: unknown, message: string][] = [
    ['options that are not an object', 5, 'Expected `options` to be an object, got 5 (number)'],
    ['a seed of text', { seed: 'x' }, 'Expected `seed` to be a whole number from 0'],
    ['a negative seed', { seed: -1 }, 'Expected `seed` to be a whole number from 0'],
    ['half a run', { runs: 0.5 }, 'Expected `runs` to be a whole number from 1'],
    ['an unknown order', { order: 'lifo' }, "one of 'fifo', 'random', 'pct', got \"lifo\""],
    ['a depth of 0', { pctDepth: 0 }, 'Expected `pctDepth` to be a whole number from 1 to 100'],
    [
      'an unknown fault',
      { faults: { shortRead: 1 } },
      '`faults.shortRead` to be absent (did you mean `shortReads`?), got 1',
    ],
    [
      'a probability above 1',
      { faults: { resets: 2 } },
      '`faults.resets` to be a number from 0 to 1',
    ],
    ['a latency of one number', { link: { latencyMs: 5 } }, 'Expected `link.latencyMs` to be two'],
    ['a latency that shrinks', { link: { latencyMs: [5, 1] } }, 'Expected `link.latencyMs`'],
    [
      'a link with an unknown field',
      { link: { latencyMs: [1, 1], jitter: 1 } },
      '`link.jitter` to be absent (known: latencyMs, bytesPerSecond, loss, reorder), got 1',
    ],
    ['no time at all', { maxVirtualMs: NaN }, 'Expected `maxVirtualMs` to be a number'],
    ['endless steps', { maxSteps: Infinity }, 'Expected `maxSteps` to be a whole number'],
    ['a shrink of text', { shrink: 'yes' }, '`shrink` to be true, false or { maxTries, maxMs }'],
    ['no tries', { shrink: { maxTries: 0 } }, '`shrink.maxTries` to be a whole number from 1'],
    ['a token of digits', { replay: 5 }, 'Expected `replay` to be a token, got 5 (number)'],
    ['a check of text', { checkDeterminism: 'yes' }, '`checkDeterminism` to be true or false'],
  ];

  it.each(wrong)('%s', async (_, options, message) => {
    const error: unknown = await simulate(nothing, options as SimOptions).catch((e: unknown) => e);
    expect(error).toMatchObject({ message: expect.stringContaining(message) as unknown });
    expect((error as { code: string }).code).toMatch(/^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/);
  });

  it('a scenario that is not a function, without a synchronous throw', async () => {
    const outcome = simulate('main' as never);
    await expect(outcome).rejects.toThrow('Expected `scenario` to be a function');
  });

  it('a scenario that does not return an operation', async () => {
    const failure = await simulationErrorOf((async () => {}) as never);
    expect(failure.error).toMatchObject({ code: 'ERR_NOT_AN_OPERATION' });
  });
});

it('messages that take no time do not prevent time from advancing', async () => {
  let exchanges = 0;
  await simulate(function* (): Operation<void> {
    const listener = yield* listen('127.0.0.1:0');
    using near = yield* connect(listener.address);
    using far = yield* listener.accept();
    yield* moveOnAfter(5, function* (): Operation<void> {
      for (;;) {
        yield* near.sendAll('x');
        yield* far.recv();
        exchanges++;
      }
    });
    listener.close();
  });
  expect(exchanges).toBeGreaterThan(100);
});
