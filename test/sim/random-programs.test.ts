/** Random programs, random orders: the same seed gives the same run, whatever the program does. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { OrderName, Scenario, SimOptions } from '../../src/sim.ts';
import { SimulationError, simulate } from '../../src/sim.ts';
import type { Program } from '../support/kernel/random-program.ts';
import { execute, Observations, programs } from '../support/kernel/random-program.ts';

/** The program on three hosts, at different speeds. */
function scenarioOf(program: Program): Scenario {
  return function* (world) {
    world.host('fast', () => execute(program, new Observations()), { clockRate: 1.5 });
    world.host('slow', () => execute(program, new Observations()), { clockRate: 0.3 });
    yield* execute(program, new Observations());
  };
}

/** Failures are as good as reports here: their traces are compared, too. */
async function storyOf(scenario: Scenario, options: SimOptions): Promise<unknown> {
  try {
    return await simulate(scenario, options);
  } catch (error) {
    if (!(error instanceof SimulationError)) throw error;
    const { message, traceHash, events } = error;
    return { message, traceHash, events };
  }
}

const orders = fc.constantFrom<OrderName[]>('fifo', 'random', 'pct');

test('a hundred random programs run the same way twice', async () => {
  await fc.assert(
    fc.asyncProperty(programs, orders, fc.nat(), async (program, order, seed) => {
      const hooks = { onUnhandled: () => {} };
      // Debug mode takes a stack at every step: that would be minutes.
      const options = { order, seed, hooks, maxSteps: 20_000, debug: false, shrink: false };
      const scenario = scenarioOf(program);
      expect(await storyOf(scenario, options)).toEqual(await storyOf(scenario, options));
    }),
    { numRuns: 100 },
  );
});
