import { describe, expect, it } from 'vitest';
import { askEcho, echoServer, simulationErrorOf } from '../../../test/support/simulation.ts';
import type { Operation } from '../../index.ts';
import { group, sleep, until } from '../../index.ts';
import type { Scenario, SimOptions, World } from '../../sim.ts';
import { InvariantError, SimulationError, simulate } from '../../sim.ts';
import type { AllowedChoices } from '../choices/decisions.ts';
import { DECISION_KINDS } from '../choices/decisions.ts';
import { decodeReplay, encodeReplay } from '../replay/token.ts';
import { failureKey } from './shrink-run.ts';

/**
 * A counter that two hosts read and write later. An update is lost if the two overlap, which they
 * do not in the default order.
 */
function* lostUpdate(world: World): Operation<void> {
  let stored = 0;
  let updates = 0;
  function* update(): Operation<void> {
    if (updates++ > 0) yield;
    const read = stored;
    yield;
    stored = read + 1;
  }
  world.host('left', update);
  world.host('right', update);
  yield* sleep(50);
  if (stored < 2) throw new Error(`lost update: ${stored} of 2`);
}

/** Four hosts that exchange messages, sleep and yield, and do not cause the failure. */
function* noise(world: World, longestMs = 5): Operation<void> {
  world.host('server', echoServer);
  for (const name of ['a', 'b', 'c']) {
    world.host(name, function* (): Operation<void> {
      yield* sleep(1);
      for (let i = 0; i < 4; i++) {
        yield* sleep(longestMs === 0 ? i : world.random() * longestMs);
        yield* askEcho('server', `${name} ${i}`);
        yield;
      }
    });
  }
  yield;
}

const noisyLoss: Scenario = function* (world): Operation<void> {
  yield* noise(world);
  yield* lostUpdate(world);
};

/** Answers that arrive in the wrong order: the failure depends on two latencies. */
const overtaken: Scenario = function* (world): Operation<void> {
  yield* noise(world, 0);
  const order: string[] = [];
  function* ask(text: string): Operation<void> {
    order.push(yield* askEcho('server', text));
  }
  yield* sleep(30);
  yield* group(function* (g): Operation<void> {
    g.spawn(() => ask('first'));
    yield* sleep(9);
    g.spawn(() => ask('second'));
  });
  if (order[0] !== 'first') throw new Error('overtaken');
};

/** A client that does not expect resets. */
const unprepared: Scenario = function* (world): Operation<void> {
  world.host('server', function* (): Operation<void> {
    yield* echoServer();
  });
  for (let i = 0; i < 10; i++) yield* askEcho('server', `${i}`);
};

async function firstFailure(scenario: Scenario, options: SimOptions): Promise<SimulationError> {
  const failure = await simulationErrorOf(scenario, {
    runs: 500,
    shrink: { maxMs: Infinity },
    ...options,
  });
  expect(failure.shrunk).toBeDefined();
  return failure;
}

/** The failure of the run that `failure.replay` identifies. */
async function replayed(
  scenario: Scenario,
  { replay }: SimulationError,
  options: SimOptions = {},
): Promise<SimulationError> {
  return await simulationErrorOf(scenario, { ...options, replay: replay as string });
}

describe('a failed run is shrunk', () => {
  it('a run that fails without random choices is shrunk to none', async () => {
    const failure = await firstFailure(
      function* (world): Operation<void> {
        yield* noise(world);
        yield* sleep(100);
        throw new Error('always');
      },
      { order: 'pct', faults: { slowAccept: 0.5, spuriousWakeups: 0.5 } },
    );
    expect(failure.shrunk).toMatchObject({ choices: 0 });
    expect(failure.shrunk?.of).toBeGreaterThan(50);
    expect(failure.message).toContain('It fails the same way without any random choice');
  });

  it('a run is shrunk to the few task switches that its failure needs', async () => {
    const failure = await firstFailure(noisyLoss, { order: 'random' });
    expect(failure.shrunk?.of).toBeGreaterThan(30);
    expect(failure.shrunk?.choices).toBeLessThanOrEqual(6);
  });

  it('a run is shrunk to the latencies that its failure needs', async () => {
    const failure = await firstFailure(overtaken, { order: 'fifo' });
    const { allowed } = decodeReplay(failure.replay as string);
    expect(allowed?.latency.size).toBe(2);
    expect([allowed?.schedule.size, allowed?.fault.size]).toEqual([0, 0]);
  });

  it('a run is shrunk to the one fault that its failure needs', async () => {
    const faults = { resets: 0.05, shortReads: 0.5, spuriousWakeups: 0.5 };
    const failure = await firstFailure(unprepared, { faults });
    expect((failure.error as { code: string }).code).toBe('ECONNRESET');
    const { allowed } = decodeReplay(failure.replay as string);
    expect(failure.shrunk?.choices).toBe(1);
    expect(allowed?.fault.size).toBe(1);
  });

  it.each(['random', 'pct'] as const)(
    'a run is shrunk to choices that are all needed: %s',
    async (order) => {
      const { replay, error } = await firstFailure(noisyLoss, { order });
      const whole = decodeReplay(replay as string);
      const allowed = whole.allowed as AllowedChoices;
      for (const kind of DECISION_KINDS) {
        for (const number of allowed[kind]) {
          const rest = new Set([...allowed[kind]].filter((other) => other !== number));
          const token = encodeReplay({ ...whole, allowed: { ...allowed, [kind]: rest } });
          const outcome: unknown = await simulate(noisyLoss, { replay: token }).catch(
            (e) => e.error,
          );
          expect(failureKey(outcome), `without ${kind} ${number}`).not.toBe(failureKey(error));
        }
      }
    },
  );
});

describe('the shrunk run', () => {
  const scenarios: readonly (readonly [string, Scenario, SimOptions])[] = [
    ['a lost update', noisyLoss, { order: 'random' }],
    ['a lost update, by priorities', noisyLoss, { order: 'pct', pctDepth: 2, seed: 1000 }],
    ['an overtaken answer', overtaken, { order: 'random', seed: 77 }],
    ['a reset', unprepared, { faults: { resets: 0.1, shortWrites: 0.3 } }],
  ];

  it.each(scenarios)('fails the same way: %s', async (_, scenario, options) => {
    const failure = await firstFailure(scenario, options);
    expect(failureKey(failure.shrunk?.error)).toBe(failureKey(failure.error));
    expect(failure.shrunk?.choices).toBeLessThan(failure.shrunk?.of as number);
  });

  it.each(scenarios)('is repeated by its token, bit for bit: %s', async (...[, run, options]) => {
    const failure = await firstFailure(run, options);
    // The order comes from the token. Faults and links are options.
    const { faults = {} } = options;
    const again = await replayed(run, failure, { faults, runs: 50, seed: 5 });
    expect(again.traceHash).toBe(failure.shrunk?.traceHash);
    expect(again.steps).toBe(failure.shrunk?.steps);
    expect(again.replay).toBe(failure.replay);
    expect([again.seed, again.order]).toEqual([failure.seed, failure.order]);
    expect(again.shrunk).toBeUndefined();
    expect(again.message).toContain(`replayed with ${failure.shrunk?.choices} of its random`);
  });

  it.each(scenarios)('does not change the run of the seed: %s', async (_, scenario, options) => {
    const failure = await firstFailure(scenario, options);
    const alone = await simulationErrorOf(scenario, {
      ...options,
      seed: failure.seed,
      shrink: false,
    });
    expect(alone.traceHash).toBe(failure.traceHash);
    expect(alone.shrunk).toBeUndefined();
    expect(decodeReplay(alone.replay as string)).toMatchObject({
      seed: failure.seed,
      allowed: null,
    });
  });

  it('is shown in the message, with both replay commands', async () => {
    const failure = await firstFailure(noisyLoss, { order: 'random' });
    const { seed, replay, message } = failure;
    expect(message).toMatch(
      new RegExp(`^The simulation failed with seed ${seed}, run .* Error: lost update: 1 of 2`),
    );
    expect(message).toMatch(
      /\nIt fails the same way with \d of its \d+ random choices \(schedule \d.*\), after 5\d/,
    );
    expect(message.split('\n').slice(-2)).toEqual([
      `Replay: coronet sim FILE --seed ${seed}`,
      `Shrunk: coronet sim FILE --replay ${replay}`,
    ]);
  });
});

describe('shrinking', () => {
  it('can be turned off and limited', async () => {
    let runs = 0;
    const counted: Scenario = (world) => {
      runs++;
      return noisyLoss(world);
    };
    const found = await simulationErrorOf(counted, { runs: 500, shrink: false });
    expect(found.shrunk).toBeUndefined();
    expect(runs).toBe(found.run + 1);
    runs = 0;
    await simulationErrorOf(counted, {
      seed: found.seed,
      shrink: { maxTries: 7, maxMs: Infinity },
    });
    expect(runs).toBe(8);
    runs = 0;
    await simulationErrorOf(counted, { seed: found.seed, shrink: { maxMs: 0 } });
    expect(runs).toBe(1);
  });

  it('does not accept a different failure', async () => {
    // The first choice decides between the two failures.
    const scenario: Scenario = function* (world): Operation<void> {
      yield* noise(world);
      if (world.random() < 0.9) throw new TypeError('the usual');
      throw new RangeError('the rare one');
    };
    let failure = await simulationErrorOf(scenario, { shrink: false });
    for (let seed = 2; !(failure.error instanceof RangeError); seed++) {
      failure = await simulationErrorOf(scenario, { seed });
    }
    expect(failure.shrunk?.error).toBeInstanceOf(RangeError);
    expect(failure.shrunk?.choices).toBe(1);
  });

  it('distinguishes invariants by their names', async () => {
    const failure = await firstFailure(
      function* (world): Operation<void> {
        const [early, late] = [world.random(), world.random()];
        world.always('late', () => late < 0.5 || world.now() < 5);
        world.always('early', () => early < 0.5 || world.now() < 3);
        yield* noise(world);
        yield* sleep(10);
      },
      { seed: 3 },
    );
    expect(failure.error).toBeInstanceOf(InvariantError);
    const { invariant } = failure.error as InvariantError;
    expect(failure.shrunk?.error).toMatchObject({ invariant });
    expect(failure.shrunk?.choices).toBe(1);
  });

  it('repeats the error if a number in it has changed', async () => {
    const failure = await firstFailure(function* (world): Operation<void> {
      throw new Error(`failed with ${1 + Math.floor(world.random() * 1e6)}`);
    }, {});
    expect(failure.message).toMatch(/random choice, after .* steps: Error: failed with 1 \(/);
  });

  it('does not apply to runs that depended on the real process', async () => {
    let runs = 0;
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      runs++;
      world.random();
      yield* until(Promise.resolve());
      throw new Error('after a promise');
    });
    expect(runs).toBe(1);
    expect(failure.shrunk).toBeUndefined();
    expect(failure.replay).toBeTypeOf('string');
  });

  it('lets the event loop turn', async () => {
    let turns = 0;
    const count = (): void => {
      turns++;
      immediate = setImmediate(count);
    };
    let immediate = setImmediate(count);
    await firstFailure(noisyLoss, {});
    clearImmediate(immediate);
    expect(turns).toBeGreaterThan(5);
  });
});

describe('a replay', () => {
  it('a replay that does not fail any more returns the report of its one run', async () => {
    let isFixed = false;
    const scenario: Scenario = function* (world): Operation<void> {
      yield* noise(world);
      yield* sleep(10);
      if (!isFixed) throw new Error('not fixed');
    };
    const { replay, seed } = await firstFailure(scenario, {});
    isFixed = true;
    const report = await simulate(scenario, { replay: replay as string, runs: 1000 });
    expect([report.runs, report.seed]).toEqual([1, seed]);
  });

  it('rejects a text that is not a token', async () => {
    const scenario: Scenario = function* (): Operation<void> {};
    const outcome = simulate(scenario, { replay: 'AQEDKgA' });
    await expect(outcome).rejects.toMatchObject({ code: 'ERR_REPLAY_TOKEN' });
    await expect(simulate(scenario, { replay: 5 as never })).rejects.toBeInstanceOf(TypeError);
  });

  it('can be checked for determinism', async () => {
    const failure = await firstFailure(noisyLoss, {});
    const again = await replayed(noisyLoss, failure, { checkDeterminism: true });
    expect(again).toBeInstanceOf(SimulationError);
    expect(again.code).toBe('ERR_SIMULATION');
  });
});
