/** `simulateTest`: a campaign as a test of any runner, which remembers its failures. */

import { UsageError } from '../../kernel/errors.ts';
import { checkBoolean, show, wrongType } from '../../support/checks.ts';
import { SimulationError } from '../errors.ts';
import type { SimOptions } from '../options.ts';
import type { Simulate } from '../simulate.ts';
import type { Scenario } from '../world.ts';
import { MAX_REGRESSIONS, parseRegressions, regressionLine } from './regressions.ts';

/** How a runner is told of a test: `test` of vitest, of node:test, of jest. */
export type RegisterTest = (name: string, body: () => Promise<void>) => unknown;

/** What `simulateTest` can be told, beside the options of `simulate`. */
export interface SimulateTestOptions extends Omit<SimOptions, 'replay'> {
  /** How many runs, besides those of the list. Default 100. */
  readonly runs?: number;
  /** The runner's `test`. Default: the global `test` or `it`. */
  readonly test?: RegisterTest;
  /**
   * A text file of runs that have failed: they are made again first, and new ones are added to
   * it. A relative path begins at the working directory; `new URL('./runs.txt', import.meta.url)`
   * lies beside the test. Absent: nothing is remembered.
   */
  readonly regressions?: string | URL;
  /** Whether failures are added to the file. Default: unless the variable CI is set. */
  readonly writeRegressions?: boolean;
}

/** Registers a test that fails when a run does. */
export type SimulateTest = (
  name: string,
  scenario: Scenario,
  options?: SimulateTestOptions,
) => void;

/** What `simulateTest` is built on. */
export interface TestDependencies {
  readonly simulate: Simulate;
  /** The global `test` or `it`. */
  runner(): unknown;
  /** Whether the tests run in CI, where no file is written. */
  inCi(): boolean;
  /** '' for a file that is not there. */
  read(path: string | URL): string;
  append(path: string | URL, text: string): void;
}

const DEFAULT_RUNS = 100;

export function makeSimulateTest(parts: TestDependencies): SimulateTest {
  return (name, scenario, options = {}) => {
    const { test, regressions, writeRegressions, ...campaign } = options;
    if (typeof name !== 'string') throw wrongType('name', 'the name of a test', name);
    if (typeof scenario !== 'function') {
      throw wrongType('scenario', 'a function that takes the world', scenario);
    }
    const isPath = typeof regressions === 'string' || regressions instanceof URL;
    if (regressions !== undefined && !isPath) {
      throw wrongType('regressions', 'a path or a URL', regressions);
    }
    if (writeRegressions !== undefined) checkBoolean('writeRegressions', writeRegressions);
    const register = test ?? parts.runner();
    if (typeof register !== 'function') throw noTestRunner(register);
    const list = { path: regressions, write: writeRegressions ?? !parts.inCi() };
    register(name, () => runTest(parts, scenario, { runs: DEFAULT_RUNS, ...campaign }, list));
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
  parts: TestDependencies,
  scenario: Scenario,
  options: SimOptions,
  list: RegressionFile,
): Promise<void> {
  if (list.path === undefined) {
    await parts.simulate(scenario, options);
    return;
  }
  const path = String(list.path);
  for (const { which } of parseRegressions(parts.read(list.path), path)) {
    await parts.simulate(scenario, { ...options, ...which });
  }
  try {
    await parts.simulate(scenario, options);
  } catch (error) {
    if (error instanceof SimulationError) appendToMessage(error, addRegression(parts, error, list));
    throw error;
  }
}

/** Adds the failure to the list, and says so. */
function addRegression(
  parts: TestDependencies,
  error: SimulationError,
  { path = '', write }: RegressionFile,
): string {
  if (!write) return '';
  try {
    const line = regressionLine(parts.read(path), error, String(path));
    if (line === '')
      return `It is not added to ${path}: that holds it, or ${MAX_REGRESSIONS} runs.`;
    parts.append(path, line);
    return `It is in ${path} now, and comes first from now on.`;
  } catch (problem) {
    // The failure of the run matters more, and tells of this one.
    return `It could not be added to ${path}: ${String(problem)}`;
  }
}

/** Runners show the message or the stack, which begins with it. */
function appendToMessage(error: SimulationError, note: string): void {
  if (note === '') return;
  const { message, stack } = error;
  error.message = `${message}\n${note}`;
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message);
}
