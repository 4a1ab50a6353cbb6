import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as nodeTest } from 'node:test';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, describe, expect, it, test, vi } from 'vitest';
import type { Operation } from '../../index.ts';
import { sleep } from '../../index.ts';
import type { RegisterTest, Scenario, SimulateTestOptions } from '../../sim.ts';
import { SimulationError, simulateTest } from '../../sim.ts';

const folder = mkdtempSync(join(tmpdir(), 'coronet-regressions-'));
let files = 0;
afterAll(() => rmSync(folder, { recursive: true }));

/** A path without a file, in a folder that does not exist yet. */
function freshPath(): string {
  return join(folder, `${++files}`, 'failures.txt');
}

/** Runs the test that `simulateTest` registers and returns the error that it throws. */
async function outcomeOf(scenario: Scenario, options: SimulateTestOptions = {}): Promise<unknown> {
  let body: (() => Promise<void>) | undefined;
  const register: RegisterTest = (_, given) => {
    body = given;
  };
  simulateTest('a test', scenario, {
    test: register,
    writeRegressions: true,
    debug: false,
    ...options,
  });
  return await (body as () => Promise<void>)().catch((error: unknown) => error);
}

/** Fails for some seeds, in a way that needs one choice. Counts its runs. */
function flaky(): { scenario: Scenario; runs: number; isFixed: boolean } {
  const about = {
    runs: 0,
    isFixed: false,
    scenario: function* (world): Operation<void> {
      about.runs++;
      for (let i = 0; i < 5; i++) yield* sleep(world.random());
      const drawn = world.random();
      if (drawn > 0.5 && drawn < 0.6 && !about.isFixed) throw new Error('by chance');
    } as Scenario,
  };
  return about;
}

// Registered with the runner of this file, where it has to pass.
simulateTest('simulateTest registers a test with vitest', flaky().scenario, {
  test,
  runs: 2,
  seed: 1,
});

describe('simulateTest', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.unstubAllEnvs();
  });

  it('uses the global test or it of the runner', () => {
    const [globalTest, globalIt] = [vi.fn(), vi.fn()];
    vi.stubGlobal('it', globalIt);
    simulateTest('first', flaky().scenario);
    vi.stubGlobal('test', globalTest);
    simulateTest('second', flaky().scenario);
    expect(globalIt.mock.calls).toEqual([['first', expect.any(Function)]]);
    expect(globalTest.mock.calls).toEqual([['second', expect.any(Function)]]);
    // Runners pass arguments to test functions that have parameters.
    expect((globalTest.mock.calls[0] as unknown[])[1]).toHaveLength(0);
  });

  it('throws an error that shows how to pass the runner without a global one', () => {
    const register = (): void => simulateTest('first', flaky().scenario);
    expect(register).toThrow(expect.objectContaining({ code: 'ERR_NO_TEST_RUNNER' }));
    expect(register).toThrow(/Wrong: simulateTest[\s\S]*Right: import \{ test \} from 'vitest'/);
  });

  it('accepts the test functions of vitest and node:test by their types', () => {
    const accepted: RegisterTest[] = [test, it, nodeTest];
    expect(accepted).toHaveLength(3);
  });

  it('rejects wrong arguments at once', () => {
    const wrong: readonly [unknown[], RegExp][] = [
      [[5, flaky().scenario], /Expected `name`/],
      [['a', 'b'], /Expected `scenario`/],
      [['a', flaky().scenario, { test, regressions: 5 }], /Expected `regressions`/],
      [['a', flaky().scenario, { test, writeRegressions: 'no' }], /Expected `writeRegressions`/],
    ];
    for (const [args, message] of wrong) {
      expect(() => simulateTest(...(args as Parameters<typeof simulateTest>))).toThrow(message);
    }
  });

  it('makes 100 runs by default', async () => {
    const about = flaky();
    about.isFixed = true;
    expect(await outcomeOf(about.scenario)).toBeUndefined();
    expect(about.runs).toBe(100);
    await outcomeOf(about.scenario, { runs: 5 });
    expect(about.runs).toBe(105);
  });

  it('adds a failure to the list and repeats it first in the next test run', async () => {
    const about = flaky();
    const regressions = freshPath();
    const first = (await outcomeOf(about.scenario, { regressions })) as SimulationError;
    expect(first).toBeInstanceOf(SimulationError);
    expect(first.message).toContain(`\nAdded to ${regressions}.`);
    expect(first.stack).toContain(`Added to ${regressions}.`);
    expect(readFileSync(regressions, 'utf8').split('\n')).toEqual([
      '# Failed runs. simulateTest repeats them first. One run per line.',
      `${first.replay}  # seed ${first.seed}: Error: by chance`,
      '',
    ]);
    about.runs = 0;
    const again = (await outcomeOf(about.scenario, { regressions, seed: 1 })) as SimulationError;
    expect(about.runs).toBe(1);
    expect(again.replay).toBe(first.replay);
    expect(again.traceHash).toBe(first.shrunk?.traceHash);
  });

  it('keeps a run in the list after it has passed', async () => {
    const about = flaky();
    const regressions = pathToFileURL(freshPath());
    await outcomeOf(about.scenario, { regressions });
    const list = readFileSync(regressions, 'utf8');
    about.isFixed = true;
    about.runs = 0;
    expect(await outcomeOf(about.scenario, { regressions })).toBeUndefined();
    expect(about.runs).toBe(101);
    expect(readFileSync(regressions, 'utf8')).toBe(list);
  });

  it('accepts seeds and comments that were added by hand', async () => {
    const about = flaky();
    const regressions = freshPath();
    const failed = (await outcomeOf(about.scenario, { regressions })) as SimulationError;
    writeFileSync(regressions, `# by hand\n\nseed 1 # passes\n  seed ${failed.seed}`);
    about.runs = 0;
    const options = { regressions, seed: 1, shrink: false };
    const again = (await outcomeOf(about.scenario, options)) as SimulationError;
    expect(about.runs).toBe(2);
    expect([again.seed, again.traceHash]).toEqual([failed.seed, failed.traceHash]);
    about.isFixed = true;
    expect(await outcomeOf(about.scenario, { regressions })).toBeUndefined();
  });

  it('starts a new line, and does not add a run twice', async () => {
    const regressions = freshPath();
    await outcomeOf(flaky().scenario, { regressions });
    const list = readFileSync(regressions, 'utf8');
    writeFileSync(regressions, 'seed 1');
    await outcomeOf(flaky().scenario, { regressions });
    expect(readFileSync(regressions, 'utf8')).toBe(`seed 1\n${list.split('\n')[1]}\n`);
  });

  it('reports the line number of an invalid line', async () => {
    const regressions = freshPath();
    await outcomeOf(flaky().scenario, { regressions });
    writeFileSync(regressions, 'seed 1\nseed one\n');
    const outcome = await outcomeOf(flaky().scenario, { regressions });
    expect(outcome).toMatchObject({
      code: 'ERR_REPLAY_TOKEN',
      message: expect.stringContaining(`Expected the line at ${regressions}:2 to be a token`),
    });
  });

  it('does not write in CI by default', async () => {
    const regressions = freshPath();
    vi.stubEnv('CI', 'true');
    const options = { regressions, writeRegressions: undefined };
    const failed = (await outcomeOf(flaky().scenario, options as never)) as SimulationError;
    expect(failed).toBeInstanceOf(SimulationError);
    expect(failed.message).not.toContain(regressions);
    expect(() => readFileSync(regressions)).toThrow('ENOENT');
    await outcomeOf(flaky().scenario, { regressions });
    expect(readFileSync(regressions, 'utf8')).toContain('by chance');
  });

  it('reports the failure even if the list cannot be written', async () => {
    const regressions = freshPath();
    await outcomeOf(flaky().scenario, { regressions });
    const inside = join(regressions, 'a file is no folder.txt');
    const failed = (await outcomeOf(flaky().scenario, { regressions: inside })) as Error;
    expect(failed.message).toMatch(/ENOTDIR|could not be added/);
  });

  it('does not add to a list with 200 runs', async () => {
    const regressions = freshPath();
    await outcomeOf(flaky().scenario, { regressions });
    writeFileSync(regressions, 'seed 1\n'.repeat(200));
    const failed = (await outcomeOf(flaky().scenario, { regressions })) as SimulationError;
    expect(failed.message).toContain('Not added to');
    expect(readFileSync(regressions, 'utf8')).toBe('seed 1\n'.repeat(200));
  });
});
