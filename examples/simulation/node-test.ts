// The scenario of failover.ts as a test of node:test, and a test of one program on virtual time. In
// vitest or jest, only the import of `test` differs.
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { now, sleep } from 'coronet';
import { runSimulated, simulateTest } from 'coronet/sim';
import failover from './failover.ts';

simulateTest('every item is counted once, despite a crash', failover.scenario, {
  ...failover.options,
  test,
  runs: 200,
  regressions: new URL('./failover.runs.txt', import.meta.url),
});

test('a sleep of a year takes no real time', async () => {
  const year = 365 * 24 * 3_600_000;
  const slept = await runSimulated(
    function* () {
      yield* sleep(year);
      return now();
    },
    { maxVirtualMs: Infinity },
  );
  assert.equal(slept, year);
});
