import { describe, expect, it } from 'vitest';
import { resultOf, simulationErrorOf } from '../../../test/support/simulation.ts';
import type { Operation } from '../../index.ts';
import { group, sleep } from '../../index.ts';
import type { Scenario } from '../../sim.ts';
import { simulate } from '../../sim.ts';

/** Two tasks increment a counter. Usually the first has finished before the second begins. */
function lostUpdate(): Scenario {
  return function* (): Operation<void> {
    let counter = 0;
    function* add(delay: number): Operation<void> {
      for (let i = 0; i < delay; i++) yield;
      const seen = counter;
      yield;
      counter = seen + 1;
    }
    yield* group(function* (g): Operation<void> {
      g.spawn(() => add(0));
      g.spawn(() => add(3));
    });
    if (counter !== 2) throw new Error('lost update');
  };
}

/** One task uses a value that another makes. In the order of spawning, it is made first. */
function useBeforeMade(): Scenario {
  return function* (): Operation<void> {
    let made = false;
    function* busy(steps: number): Operation<void> {
      for (let i = 0; i < steps; i++) yield;
    }
    yield* group(function* (g): Operation<void> {
      for (let i = 0; i < 5; i++) g.spawn(() => busy(10));
      g.spawn(function* (): Operation<void> {
        yield* busy(5);
        made = true;
      });
      g.spawn(function* (): Operation<void> {
        yield* busy(12);
        if (!made) throw new Error('used before it was made');
      });
    });
  };
}

/** The order in which four tasks run that became ready at the same time. */
function* orderOfFour(): Operation<string> {
  const order: string[] = [];
  yield* group(function* (g): Operation<void> {
    for (const name of 'abcd') {
      g.spawn(function* (): Operation<void> {
        order.push(name);
      });
    }
  });
  return order.join('');
}

describe("the order 'fifo'", () => {
  it('runs tasks in the order in which they became ready, with every seed', async () => {
    for (const seed of [1, 2, 3]) {
      expect(await resultOf(orderOfFour, { seed, order: 'fifo' })).toBe('abcd');
    }
  });

  it('runs tasks of different hosts in the order in which they became ready', async () => {
    const order: string[] = [];
    await simulate(
      function* (world): Operation<void> {
        for (const name of ['a', 'b', 'c']) {
          world.host(name, function* (): Operation<void> {
            for (let i = 0; i < 2; i++) {
              order.push(name);
              yield;
            }
          });
        }
        yield* sleep(1);
      },
      { order: 'fifo' },
    );
    expect(order.join('')).toBe('abcabc');
  });

  it('does not find a bug that needs an unusual order', async () => {
    const report = await simulate(lostUpdate(), { order: 'fifo', runs: 50 });
    expect(report.interleavings).toBe(1);
    expect(report.runs).toBe(50);
  });
});

describe("the order 'random'", () => {
  it('is the default, and produces every order of four tasks', async () => {
    const seen = new Set<string>();
    await simulate(
      function* (): Operation<void> {
        seen.add(yield* orderOfFour());
      },
      { runs: 400 },
    );
    expect(seen.size).toBe(24);
  });

  it('finds a lost update across a yield, and its seed alone repeats the failure', async () => {
    const failure = await simulationErrorOf(lostUpdate(), { runs: 100 });
    expect(failure.error).toEqual(new Error('lost update'));
    const again = await simulationErrorOf(lostUpdate(), { seed: failure.seed });
    expect(again.traceHash).toBe(failure.traceHash);
    expect(again.events).toEqual(failure.events);
  });
});

describe("the order 'pct'", () => {
  it('finds a bug that needs one task to be delayed', async () => {
    const failure = await simulationErrorOf(useBeforeMade(), {
      runs: 100,
      order: 'pct',
      pctDepth: 2,
    });
    expect(failure.message).toContain('Error: used before it was made');
    const again = await simulationErrorOf(useBeforeMade(), {
      seed: failure.seed,
      order: 'pct',
      pctDepth: 2,
    });
    expect(again.traceHash).toBe(failure.traceHash);
  });

  it('finds this bug, which fifo does not find', async () => {
    const report = await simulate(useBeforeMade(), { order: 'fifo', runs: 100 });
    expect(report).toMatchObject({ runs: 100, interleavings: 1 });
  });

  it('does not let a task that spins starve the others', async () => {
    const report = await simulate(
      function* (): Operation<void> {
        let there = false;
        yield* group(function* (g): Operation<void> {
          g.spawn(function* (): Operation<void> {
            while (!there) yield;
          });
          g.spawn(function* (): Operation<void> {
            there = true;
          });
        });
      },
      { order: 'pct', runs: 20 },
    );
    expect(report.runs).toBe(20);
  });
});
