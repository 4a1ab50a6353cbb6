/** `simulate`: runs a scenario with one seed after the other, until a run fails. */
import { wrongType } from '../support/checks.ts';
import type { Plan, SimDependencies, SimOptions } from './options.ts';
import { planOf } from './options.ts';
import { compareRuns } from './replay/determinism.ts';
import type { RunIdentity } from './report/failure.ts';
import { simulationError } from './report/failure.ts';
import type { SimReport } from './report/report.ts';
import { RunTotals } from './report/report.ts';
import type { RealProcess, RunResult } from './run-once.ts';
import { runOnce } from './run-once.ts';
import { noChoices } from './shrink/shrink.ts';
import { shrinkRun } from './shrink/shrink-run.ts';
import type { Scenario } from './world.ts';

/** Events between two turns of the event loop. Each run counts for `RUN_COST` more. */
const EVENTS_PER_YIELD = 20_000;
const RUN_COST = 100;

export type Simulate = (scenario: Scenario, options?: SimOptions) => Promise<SimReport>;

export function makeSimulate(dependencies: SimDependencies): Simulate {
  return async (scenario, options = {}) => {
    if (typeof scenario !== 'function') {
      throw wrongType('scenario', 'a function that takes the world', scenario);
    }
    const { realProcess } = dependencies;
    const plan = planOf(options, dependencies);
    const totals = new RunTotals(plan);
    const onResult = (result: RunResult): void => totals.add(result);
    // `simulate` returns its promise before the first task makes a step.
    await realProcess.yieldToEventLoop();
    await runRange(scenario, plan, realProcess, { first: 0, count: plan.runs, onResult });
    return totals.report();
  };
}

/** A part of the runs of a plan, and a callback for each run that succeeds. */
export interface RunRange {
  /** The index of the first run, from 0. */
  readonly first: number;
  readonly count: number;
  readonly onResult: (result: RunResult) => void;
}

/** Throws SimulationError for the first run that fails. */
export async function runRange(
  scenario: Scenario,
  plan: Plan,
  realProcess: RealProcess,
  { first, count, onResult }: RunRange,
): Promise<void> {
  let untilYield = EVENTS_PER_YIELD;
  for (let run = first; run < first + count; run++) {
    const result = await runOne(scenario, plan, run, realProcess);
    onResult(result);
    untilYield -= result.events + RUN_COST;
    if (untilYield > 0) continue;
    untilYield = EVENTS_PER_YIELD;
    await realProcess.yieldToEventLoop();
  }
}

async function runOne(
  scenario: Scenario,
  { seed: firstSeed, runs, settings: shared, shrinkLimits, checkDeterminism, command }: Plan,
  run: number,
  realProcess: RealProcess,
): Promise<RunResult> {
  const settings = { ...shared, seed: firstSeed + run };
  const { seed, order, pctDepth, allowed } = settings;
  const identity: RunIdentity = { seed, run, runs, order, pctDepth, allowed, command };
  const found = shrinkLimits === null ? null : noChoices();
  const result = await runOnce(scenario, { ...settings, deviations: found }, realProcess);
  if (checkDeterminism) await compareRuns(result, scenario, settings, { realProcess, identity });
  if (result.failure === null) return result;
  const shrunk =
    shrinkLimits !== null && found !== null && result.deterministic
      ? await shrinkRun(result, found, scenario, { settings, limits: shrinkLimits, realProcess })
      : null;
  throw simulationError(result, identity, shrunk);
}
