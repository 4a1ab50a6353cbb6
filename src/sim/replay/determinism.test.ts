import { describe, expect, it } from 'vitest';
import type { Operation } from '../../index.ts';
import { sleep } from '../../index.ts';
import type { Scenario } from '../../sim.ts';
import { NotDeterministicError, SimulationError, simulate } from '../../sim.ts';

async function differenceOf(scenario: Scenario): Promise<NotDeterministicError> {
  const outcome: unknown = await simulate(scenario, { checkDeterminism: true }).catch(
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(NotDeterministicError);
  return outcome as NotDeterministicError;
}

describe('checkDeterminism', () => {
  it('runs everything twice and accepts runs that are equal', async () => {
    let runs = 0;
    const report = await simulate(
      function* (world): Operation<void> {
        runs++;
        yield* sleep(world.random() * 10);
      },
      { checkDeterminism: true, runs: 5 },
    );
    expect([runs, report.runs]).toEqual([10, 5]);
  });

  it('shows the first event that differs if state survives from run to run', async () => {
    let survivor = 0;
    const error = await differenceOf(function* (): Operation<void> {
      survivor++;
      yield* sleep(5);
      yield* sleep(survivor);
    });
    expect(error).toBeInstanceOf(SimulationError);
    expect(error.code).toBe('ERR_NOT_DETERMINISTIC');
    expect(error.message).toContain('Two runs with seed 1 differ. A duration differs');
    const lines = error.message.split('\n');
    const step = "step: task 1 'main'";
    expect(lines).toContain(`    0 ms  main  ${step} starts, waits for sleep 5 ms [1]`);
    expect(lines).toContain(`  - 5 ms  main  ${step} goes on, waits for sleep 3 ms [1]`);
    expect(lines).toContain(`  + 5 ms  main  ${step} goes on, waits for sleep 4 ms [1]`);
  });

  it.each<[string, () => number]>([
    ['Math.random', () => Math.random()],
    ['Date.now', () => (Date.now() % 1000) + Math.random()],
    ['performance.now', () => performance.now() % 10_000],
    ['new Date()', () => new Date().getMilliseconds() + Math.random()],
    ['process.hrtime.bigint', () => Number(process.hrtime.bigint() % 10_000_000_000n) / 1e6],
    ['process.hrtime', () => process.hrtime()[1] / 1e6],
  ])('names %s as the cause', async (name, chance) => {
    const error = await differenceOf(function* (): Operation<void> {
      yield* sleep(chance());
      yield* sleep(1);
    });
    expect(error.message).toContain(`${name} (by task 'main')`);
  });

  it('restores the functions that it watches', async () => {
    const sources = () => [Math.random, Date, Date.now, performance.now, setTimeout];
    const before = sources();
    await differenceOf(function* (): Operation<void> {
      yield* sleep(Math.random());
    });
    for (const [i, source] of sources().entries()) expect(source).toBe(before[i]);
    expect(Object.hasOwn(performance, 'now')).toBe(false);
    expect(new Date(5).getTime()).toBe(5);
  });

  it('reports a difference rather than the failure of one of the two runs', async () => {
    let runs = 0;
    const error = await differenceOf(function* (): Operation<void> {
      yield* sleep(1);
      if (++runs % 2 === 0) throw new Error('every other time');
    });
    expect(error.message).toContain('Two runs with seed 1 differ');
    const same = simulate(
      function* (): Operation<void> {
        yield* sleep(1);
        throw new Error('every time');
      },
      { checkDeterminism: true },
    );
    await expect(same).rejects.toThrow('Error: every time');
  });
});
