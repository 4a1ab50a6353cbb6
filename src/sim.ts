/**
 * coronet/sim: the same program, on simulated hosts, under virtual time, with a schedule and faults
 * from a seed.
 */
import { appendText, breathe, later, limit, readText, watch } from './node/simulation-support.ts';
import { SimulatedNetwork } from './sim/network/network.ts';
import type { SimulateTest } from './sim/replay/simulate-test.ts';
import { makeSimulateTest } from './sim/replay/simulate-test.ts';
import type { RunSimulated } from './sim/run-program.ts';
import { makeRunSimulated } from './sim/run-program.ts';
import type { SimDependencies, Simulate } from './sim/simulate.ts';
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

const parts: SimDependencies = {
  realProcess: {
    yieldToEventLoop: breathe,
    setTimer: later,
    deadline: limit,
    watchRealSources: watch,
  },
  makeNetwork: (core, defaults) => new SimulatedNetwork(core, defaults),
  debug: () => process.env['CORONET_DEBUG'] === '1',
};

/**
 * Runs `scenario` in a simulated world: `runs` times, with the seeds `seed`, `seed + 1`, …, until a
 * run fails. Each run has a world of its own with virtual time that jumps to the next event, and
 * takes every choice (schedule, latencies, faults, `world.random()`) from its seed: the same seed
 * gives the same run, bit for bit, on every machine.
 *
 * A run succeeds when the scenario has returned, everything given to `world.eventually` has come
 * true, and the hosts, cancelled then, have ended. Between two runs, and in long ones, the event
 * loop gets its turn.
 *
 * Rejects with SimulationError (ERR_SIMULATION) for the first run that fails: a program or the
 * scenario threw, nothing can ever happen again (ERR_DEADLOCK), an error that no task was left to
 * receive, an invariant (ERR_ALWAYS, ERR_EVENTUALLY), a limit (ERR_SIMULATION_LIMIT), a host that
 * does not end (ERR_NOT_UNWOUND); with NotDeterministicError (ERR_NOT_DETERMINISTIC) if
 * `checkDeterminism` finds a difference; with TypeError or RangeError for wrong arguments; with
 * ReplayTokenError (ERR_REPLAY_TOKEN) for a `replay` that is no token.
 *
 * A run that has failed is shrunk: it is made again with fewer and fewer of its random choices,
 * until only those are left without which it does not fail the same way. The message tells that
 * run, and `error.replay` plays it again.
 *
 * @example
 * await simulate(function* (world) {
 *   world.host('server', () => tcpServer(25000, echo));
 *   const socket = yield* connect('server:25000');
 *   yield* socket.sendAll('Hello');
 * }, { runs: 1000 });
 */
export const simulate: Simulate = makeSimulate(parts);

/**
 * Runs one program on one simulated host, as `run` does on the real one, and gives a promise of its
 * result: for tests that need virtual time or a network of their own, but no world. A program that
 * sleeps a year takes milliseconds.
 *
 * Rejects with the program's own error, unwrapped; with DeadlockError (ERR_DEADLOCK) when nothing
 * can ever happen again; with SimulationLimitError (ERR_SIMULATION_LIMIT) at `maxVirtualMs` or
 * `maxSteps`; with TypeError or RangeError for wrong arguments.
 *
 * @example
 * await runSimulated(function* () {
 *   yield* sleep(365 * 24 * 3_600_000);
 * }, { maxVirtualMs: Infinity });
 */
export const runSimulated: RunSimulated = makeRunSimulated(parts);

/**
 * Registers a test that runs `scenario` in simulated worlds, 100 of them unless `runs` says else,
 * with the `test` of whatever runner there is: vitest, node:test, jest. With a file for
 * `regressions`, every run that fails is added to it, as a token that people can read the error of,
 * and is made again first from then on. A run that passes stays in the list; lines can be removed
 * by hand, and `seed 42` can be added. Nothing is written where the variable CI is set.
 *
 * The test rejects as `simulate` does. Errors: UsageError (ERR_NO_TEST_RUNNER) where there is no
 * runner; in the test, ReplayTokenError (ERR_REPLAY_TOKEN) for a line of the list that is no run.
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
