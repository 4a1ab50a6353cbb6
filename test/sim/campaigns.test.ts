/** Every campaign succeeds with its first seeds, in two scheduling orders. */
import { describe, expect, test } from 'vitest';
import { simulate } from '../../src/sim.ts';
import { campaigns } from './campaigns/list.ts';

/** Runs of each campaign in each order. `npm run soak` makes many more. */
const RUNS = 100;

describe.each(['random', 'pct'] as const)('%s', (order) => {
  test.each(campaigns)(
    '$name: $shows',
    async ({ scenario, options }) => {
      // Debug mode is slower: it captures a stack at every step.
      const runs = process.env['CORONET_DEBUG'] === '1' ? RUNS / 10 : RUNS;
      const report = await simulate(scenario, { ...options, order, runs });
      expect(report).toMatchObject({ runs, deterministic: true, warnings: [] });
    },
    60_000,
  );
});
