/** Random programs in random orders: the same seed produces the same run. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { OrderName, Scenario, SimOptions } from '../../src/sim.ts';
import { SimulationError, simulate } from '../../src/sim.ts';
import type { Program } from '../support/kernel/random-program.ts';
import { execute, Observations, programs } from '../support/kernel/random-program.ts';

/** Runs the program on three hosts with different clock rates. */
function scenarioOf(program: Program): Scenario {
  return function* (world) {
    world.host('fast', () => execute(program, new Observations()), { clockRate: 1.5 });
    world.host('slow', () => execute(program, new Observations()), { clockRate: 0.3 });
    yield* execute(program, new Observations());
  };
}

/** The report, or the trace of the failure. */
async function resultOf(scenario: Scenario, options: SimOptions): Promise<unknown> {
  try {
    return await simulate(scenario, options);
  } catch (error) {
    if (!(error instanceof SimulationError)) throw error;
    const { message, traceHash, events } = error;
    return { message, traceHash, events };
  }
}

const orders = fc.constantFrom<OrderName[]>('fifo', 'random', 'pct');

test('a hundred random programs run the same way twice with the same seed', async () => {
  await fc.assert(
    fc.asyncProperty(programs, orders, fc.nat(), async (program, order, seed) => {
      const hooks = { onUnhandled: () => {} };
      // Debug mode captures a stack at every step, which would take minutes.
      const options = { order, seed, hooks, maxSteps: 20_000, debug: false, shrink: false };
      const scenario = scenarioOf(program);
      expect(await resultOf(scenario, options)).toEqual(await resultOf(scenario, options));
    }),
    { numRuns: 100 },
  );
});
