/**
 * coronet/sim: runs a program on simulated hosts, on virtual time, with a schedule and faults that
 * a seed determines.
 */
import { appendText, nodeProcess, readText } from './node/simulation-support.ts';
import type { SimulateTest } from './sim/replay/simulate-test.ts';
import { makeSimulateTest } from './sim/replay/simulate-test.ts';
import type { RunSimulated } from './sim/run-program.ts';
import { makeRunSimulated } from './sim/run-program.ts';
import type { Simulate } from './sim/simulate.ts';
import { makeSimulate } from './sim/simulate.ts';

export type { OrderName } from './sim/choices/order.ts';
export type { Faults, Link, TraceEvent } from './sim/core.ts';
export type { ShrunkRun } from './sim/errors.ts';
export {
  InvariantError,
  NotDeterministicError,
  ReplayTokenError,
  SimulationError,
  SimulationLimitError,
} from './sim/errors.ts';
export type { ShrinkOptions, SimOptions } from './sim/options.ts';
export type { RegisterTest, SimulateTestOptions } from './sim/replay/simulate-test.ts';
export type { SimReport } from './sim/report/report.ts';
export type { ProgramOptions } from './sim/run-program.ts';
export type {
  EventuallyOptions,
  Host,
  HostOptions,
  HostRef,
  Scenario,
  World,
} from './sim/world.ts';

/**
 * Runs `scenario` in a simulated world: `runs` times, with the seeds `seed`, `seed + 1`, …, until a
 * run fails. Each run has its own world with virtual time, which jumps to the next event. The seed
 * determines every choice (schedule, latencies, faults, `world.random()`): the same seed produces
 * the same run, bit for bit, on every machine.
 *
 * A run succeeds when the scenario has returned, every `world.eventually` has become true, and all
 * hosts, which are cancelled then, have ended. The event loop turns between runs and during long
 * runs.
 *
 * A failed run is shrunk: it is repeated with fewer and fewer random choices, until only those
 * remain that the failure needs. The message shows the shrunk run; `error.replay` repeats it.
 *
 * Rejects with SimulationError (ERR_SIMULATION) for the first run that fails. `error.error` is the
 * reason: the error of a program or of the scenario, an error that no task could receive, a
 * deadlock (ERR_DEADLOCK), an invariant (ERR_INVARIANT), a limit (ERR_SIMULATION_LIMIT), or a host
 * that does not end after it was cancelled (ERR_NOT_UNWOUND). Rejects with NotDeterministicError
 * (ERR_NOT_DETERMINISTIC) if `checkDeterminism` finds a difference, with ReplayTokenError
 * (ERR_REPLAY_TOKEN) for an invalid `replay`, with TypeError or RangeError for wrong arguments.
 *
 * @example
 * await simulate(function* (world) {
 *   world.host('server', () => tcpServer(25000, echo));
 *   const socket = yield* connect('server:25000');
 *   yield* socket.sendAll('Hello');
 * }, { runs: 1000 });
 */
export const simulate: Simulate = makeSimulate({ realProcess: nodeProcess });

/**
 * Runs one program on one simulated host, as `run` does on the real one, and returns a promise of
 * its result. For tests that need virtual time or a private network, but no world: a program that
 * sleeps a year takes milliseconds.
 *
 * Rejects with the program's own error, not wrapped; with DeadlockError (ERR_DEADLOCK) when no task
 * can run again; with SimulationLimitError (ERR_SIMULATION_LIMIT) at `maxVirtualMs` or `maxSteps`;
 * with TypeError or RangeError for wrong arguments.
 *
 * @example
 * await runSimulated(function* () {
 *   yield* sleep(365 * 24 * 3_600_000);
 * }, { maxVirtualMs: Infinity });
 */
export const runSimulated: RunSimulated = makeRunSimulated({ realProcess: nodeProcess });

/**
 * Registers a test that runs `scenario` in simulated worlds, 100 times by default. It uses the
 * `test` function of any runner: vitest, node:test, jest.
 *
 * `regressions` names a text file. Every run that fails is added to it as a token with the error as
 * a comment, and the following test runs repeat the runs of the file first. A run that passes stays
 * in the file. Lines can be removed by hand, and lines such as `seed 42` can be added. Nothing is
 * written if the environment variable CI is set.
 *
 * The test rejects as `simulate` does, and with ReplayTokenError (ERR_REPLAY_TOKEN) for an invalid
 * line of the file. `simulateTest` throws UsageError (ERR_NO_TEST_RUNNER) without a runner.
 *
 * @example
 * import { test } from 'vitest';
 * simulateTest('no update is lost', scenario, {
 *   test,
 *   runs: 500,
 *   regressions: new URL('./no-update-is-lost.txt', import.meta.url),
 * });
 */
export const simulateTest: SimulateTest = makeSimulateTest({
  simulate,
  runner: () => Reflect.get(globalThis, 'test') ?? Reflect.get(globalThis, 'it'),
  inCi: () => !['', '0', 'false', undefined].includes(process.env['CI']),
  read: readText,
  append: appendText,
});
