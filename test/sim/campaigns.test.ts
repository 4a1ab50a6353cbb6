/** Coronet under its own simulator: every campaign succeeds with the first seeds of two orders. */
import { describe, expect, test } from 'vitest';
import { simulate } from '../../src/sim.ts';
import { campaigns } from './campaigns/list.ts';

/** Of each campaign, in each order. `npm run soak` plays many more. */
const RUNS = 100;

describe.each(['random', 'pct'] as const)('%s', (order) => {
  test.each(campaigns)(
    '$name: $shows',
    async ({ scenario, options }) => {
      // Debug mode takes a stack at every step: fewer runs do.
      const runs = process.env['CORONET_DEBUG'] === '1' ? RUNS / 10 : RUNS;
      const report = await simulate(scenario, { ...options, order, runs });
      expect(report).toMatchObject({ runs, deterministic: true, warnings: [] });
    },
    60_000,
  );
});
