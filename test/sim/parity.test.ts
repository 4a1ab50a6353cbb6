/** Programs have the same results on simulated sockets as on real ones. */
import { describe, expect, test } from 'vitest';
import { simulate } from '../../src/sim.ts';
import { backends } from '../support/backends.ts';
import { programs } from './parity-programs.ts';

const real = backends.filter((world) => world.real);
const simulated = backends.filter((world) => !world.real);

test('the parity tests compare at least one real network with the simulated one', () => {
  expect(real.length).toBeGreaterThan(0);
  expect(simulated).toHaveLength(1);
});

describe.each(Object.entries(programs))('%s', (_name, program) => {
  test.each(real)('has the same result on $name as in the simulation', async (world) => {
    const [sim] = simulated;
    expect(await sim?.run(program)).toEqual(await world.run(program));
  });

  test('has the same result in a hundred simulated worlds', async () => {
    const results = new Set<string>();
    await simulate(
      function* () {
        results.add(JSON.stringify(yield* program()));
      },
      { runs: 100, debug: false, faults: { spuriousWakeups: 0.3, slowAccept: 0.3 } },
    );
    expect([...results]).toHaveLength(1);
  });
});
