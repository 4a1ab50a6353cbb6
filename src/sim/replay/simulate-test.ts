/** `simulateTest`: a campaign as a test of any runner, with a list of failed runs. */

import { UsageError } from '../../kernel/errors.ts';
import type { Keys } from '../../support/checks.ts';
import { checkBoolean, checkKeys, show, wrongType } from '../../support/checks.ts';
import { SimulationError } from '../errors.ts';
import type { SimOptions } from '../options.ts';
import { SIM_KEYS } from '../options.ts';
import type { Simulate } from '../simulate.ts';
import type { Scenario } from '../world.ts';
import { MAX_REGRESSIONS, parseRegressions, regressionLine } from './regressions.ts';

/** Registers a test with a runner: `test` of vitest, of node:test, of jest. */
export type RegisterTest = (name: string, body: () => Promise<void>) => unknown;

/** The options of `simulateTest`, in addition to those of `simulate`. */
export interface SimulateTestOptions extends Omit<SimOptions, 'replay'> {
  /** The number of runs, in addition to the runs of the list. Default 100. */
  readonly runs?: number;
  /** The runner's `test`. Default: the global `test` or `it`. */
  readonly test?: RegisterTest;
  /**
   * A text file of failed runs. The test repeats them first and appends new failures. A relative
   * path begins at the working directory; `new URL('./runs.txt', import.meta.url)` is next to the
   * test. Absent: failures are not recorded.
   */
  readonly regressions?: string | URL;
  /** Whether failures are appended to the file. Default: true unless the variable CI is set. */
  readonly writeRegressions?: boolean;
}

/** Registers a test that fails when a run fails. */
export type SimulateTest = (
  name: string,
  scenario: Scenario,
  options?: SimulateTestOptions,
) => void;

/** The dependencies of `simulateTest`. */
export interface TestDependencies {
  readonly simulate: Simulate;
  /** The global `test` or `it`. */
  runner(): unknown;
  /** True in CI, where no file is written. */
  inCi(): boolean;
  /** The text of a file; '' if the file does not exist. */
  read(path: string | URL): string;
  append(path: string | URL, text: string): void;
}

const DEFAULT_RUNS = 100;

const TEST_KEYS: Keys<SimulateTestOptions> = {
  ...SIM_KEYS,
  test: true,
  regressions: true,
  writeRegressions: true,
};

export function makeSimulateTest(dependencies: TestDependencies): SimulateTest {
  return (name, scenario, options = {}) => {
    checkKeys('options', options, TEST_KEYS);
    const { test, regressions, writeRegressions, ...simOptions } = options;
    if (typeof name !== 'string') throw wrongType('name', 'the name of a test', name);
    if (typeof scenario !== 'function') {
      throw wrongType('scenario', 'a function that takes the world', scenario);
    }
    const isPath = typeof regressions === 'string' || regressions instanceof URL;
    if (regressions !== undefined && !isPath) {
      throw wrongType('regressions', 'a path or a URL', regressions);
    }
    if (writeRegressions !== undefined) checkBoolean('writeRegressions', writeRegressions);
    const register = test ?? dependencies.runner();
    if (typeof register !== 'function') throw noTestRunner(register);
    const list = { path: regressions, write: writeRegressions ?? !dependencies.inCi() };
    const runOptions = { runs: DEFAULT_RUNS, ...simOptions };
    register(name, () => runTest(dependencies, scenario, runOptions, list));
  };
}

function noTestRunner(found: unknown): UsageError {
  const text = [
    `Expected \`options.test\` or the global \`test\` to be a function, got ${show(found)}.`,
    "Wrong: simulateTest('clients meet', scenario);",
    "Right: import { test } from 'vitest';  // or from 'node:test'",
    "       simulateTest('clients meet', scenario, { test });",
  ];
  return new UsageError('ERR_NO_TEST_RUNNER', text.join('\n'));
}

interface RegressionFile {
  readonly path: string | URL | undefined;
  readonly write: boolean;
}

async function runTest(
  dependencies: TestDependencies,
  scenario: Scenario,
  options: SimOptions,
  list: RegressionFile,
): Promise<void> {
  if (list.path === undefined) {
    await dependencies.simulate(scenario, options);
    return;
  }
  const path = String(list.path);
  for (const { which } of parseRegressions(dependencies.read(list.path), path)) {
    await dependencies.simulate(scenario, { ...options, ...which });
  }
  try {
    await dependencies.simulate(scenario, options);
  } catch (error) {
    if (error instanceof SimulationError)
      appendToMessage(error, addRegression(dependencies, error, list));
    throw error;
  }
}

/** Appends the failure to the list. Returns a note for the error message. */
function addRegression(
  dependencies: TestDependencies,
  error: SimulationError,
  { path = '', write }: RegressionFile,
): string {
  if (!write) return '';
  try {
    const line = regressionLine(dependencies.read(path), error, String(path));
    if (line === '') {
      return `Not added to ${path}: it contains this run, or ${MAX_REGRESSIONS} runs already.`;
    }
    dependencies.append(path, line);
    return `Added to ${path}. The next test runs repeat it first.`;
  } catch (problem) {
    // The failure of the run matters more, so this one is only mentioned in its message.
    return `Could not be added to ${path}: ${String(problem)}`;
  }
}

/** Extends both the message and the stack, which begins with the message: runners show either. */
function appendToMessage(error: SimulationError, note: string): void {
  if (note === '') return;
  const { message, stack } = error;
  error.message = `${message}\n${note}`;
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message);
}
