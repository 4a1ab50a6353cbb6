import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as nodeTest } from 'node:test';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it, test, vi } from 'vitest';
import type { Operation } from '../../index.ts';
import { sleep } from '../../index.ts';
import type { RegisterTest, Scenario, SimulateTestOptions } from '../../sim.ts';
import { SimulationError, simulateTest } from '../../sim.ts';

const folder = mkdtempSync(join(tmpdir(), 'coronet-regressions-'));
let files = 0;
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** A place where no file is yet, in a folder that is not there yet. */
function freshPath(): string {
  return join(folder, `${++files}`, 'failures.txt');
}

/** Runs the test that `simulateTest` registers, and gives what it has thrown. */
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

/** Fails for some seeds, in a way that needs one choice. Says how often it ran. */
function flaky(): { scenario: Scenario; runs: number; isMended: boolean } {
  const about = {
    runs: 0,
    isMended: false,
    scenario: function* (world): Operation<void> {
      about.runs++;
      for (let i = 0; i < 5; i++) yield* sleep(world.random());
      const drawn = world.random();
      if (drawn > 0.5 && drawn < 0.6 && !about.isMended) throw new Error('by chance');
    } as Scenario,
  };
  return about;
}

// Registered in the runner that runs this file: it has to pass there.
simulateTest('a campaign is a test', flaky().scenario, { test, runs: 2, seed: 1 });

describe('simulateTest', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.unstubAllEnvs();
  });

  it('takes the global test, or it, of the runner', () => {
    const [globalTest, globalIt] = [vi.fn(), vi.fn()];
    vi.stubGlobal('it', globalIt);
    simulateTest('first', flaky().scenario);
    vi.stubGlobal('test', globalTest);
    simulateTest('second', flaky().scenario);
    expect(globalIt.mock.calls).toEqual([['first', expect.any(Function)]]);
    expect(globalTest.mock.calls).toEqual([['second', expect.any(Function)]]);
    // Runners hand things to functions that take some.
    expect((globalTest.mock.calls[0] as unknown[])[1]).toHaveLength(0);
  });

  it('says how to hand over a runner that has no globals', () => {
    const register = (): void => simulateTest('first', flaky().scenario);
    expect(register).toThrow(expect.objectContaining({ code: 'ERR_NO_TEST_RUNNER' }));
    expect(register).toThrow(/Wrong: simulateTest[\s\S]*Right: import \{ test \} from 'vitest'/);
  });

  it('accepts the tests of runners by their types', () => {
    const accepted: RegisterTest[] = [test, it, nodeTest];
    expect(accepted).toHaveLength(3);
  });

  it('refuses wrong arguments at once', () => {
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

  it('makes 100 runs unless told', async () => {
    const about = flaky();
    about.isMended = true;
    expect(await outcomeOf(about.scenario)).toBeUndefined();
    expect(about.runs).toBe(100);
    await outcomeOf(about.scenario, { runs: 5 });
    expect(about.runs).toBe(105);
  });

  it('adds a failure to the list, and runs it first from then on', async () => {
    const about = flaky();
    const regressions = freshPath();
    const first = (await outcomeOf(about.scenario, { regressions })) as SimulationError;
    expect(first).toBeInstanceOf(SimulationError);
    expect(first.message).toContain(`\nIt is in ${regressions} now`);
    expect(first.stack).toContain(`It is in ${regressions} now`);
    expect(readFileSync(regressions, 'utf8').split('\n')).toEqual([
      '# Runs that have failed, made again first by simulateTest. One to a line.',
      `${first.replay}  # seed ${first.seed}: Error: by chance`,
      '',
    ]);
    about.runs = 0;
    const again = (await outcomeOf(about.scenario, { regressions, seed: 1 })) as SimulationError;
    expect(about.runs).toBe(1);
    expect(again.replay).toBe(first.replay);
    expect(again.traceHash).toBe(first.shrunk?.traceHash);
  });

  it('keeps a run in the list that does not fail any more', async () => {
    const about = flaky();
    const regressions = pathToFileURL(freshPath());
    await outcomeOf(about.scenario, { regressions });
    const list = readFileSync(regressions, 'utf8');
    about.isMended = true;
    about.runs = 0;
    expect(await outcomeOf(about.scenario, { regressions })).toBeUndefined();
    expect(about.runs).toBe(101);
    expect(readFileSync(regressions, 'utf8')).toBe(list);
  });

  it('takes seeds and comments that somebody has written', async () => {
    const about = flaky();
    const regressions = freshPath();
    const failed = (await outcomeOf(about.scenario, { regressions })) as SimulationError;
    writeFileSync(regressions, `# by hand\n\nseed 1 # passes\n  seed ${failed.seed}`);
    about.runs = 0;
    const options = { regressions, seed: 1, shrink: false };
    const again = (await outcomeOf(about.scenario, options)) as SimulationError;
    expect(about.runs).toBe(2);
    expect([again.seed, again.traceHash]).toEqual([failed.seed, failed.traceHash]);
    about.isMended = true;
    expect(await outcomeOf(about.scenario, { regressions })).toBeUndefined();
  });

  it('begins a line of its own, and adds nothing twice', async () => {
    const regressions = freshPath();
    await outcomeOf(flaky().scenario, { regressions });
    const list = readFileSync(regressions, 'utf8');
    writeFileSync(regressions, 'seed 1');
    await outcomeOf(flaky().scenario, { regressions });
    expect(readFileSync(regressions, 'utf8')).toBe(`seed 1\n${list.split('\n')[1]}\n`);
  });

  it('says which line is no run', async () => {
    const regressions = freshPath();
    await outcomeOf(flaky().scenario, { regressions });
    writeFileSync(regressions, 'seed 1\nseed one\n');
    const outcome = await outcomeOf(flaky().scenario, { regressions });
    expect(outcome).toMatchObject({
      code: 'ERR_REPLAY_TOKEN',
      message: expect.stringContaining(`Expected the line at ${regressions}:2 to be a token`),
    });
  });

  it('writes nothing in CI, unless told', async () => {
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

  it('tells the failure even where the list cannot be written', async () => {
    const regressions = freshPath();
    await outcomeOf(flaky().scenario, { regressions });
    const inside = join(regressions, 'a file is no folder.txt');
    const failed = (await outcomeOf(flaky().scenario, { regressions: inside })) as Error;
    expect(failed.message).toMatch(/ENOTDIR|could not be added/);
  });

  it('holds a bounded list', async () => {
    const regressions = freshPath();
    await outcomeOf(flaky().scenario, { regressions });
    writeFileSync(regressions, 'seed 1\n'.repeat(200));
    const failed = (await outcomeOf(flaky().scenario, { regressions })) as SimulationError;
    expect(failed.message).toContain('It is not added to');
    expect(readFileSync(regressions, 'utf8')).toBe('seed 1\n'.repeat(200));
  });
});
