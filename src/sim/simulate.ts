/** `simulate`: a scenario, once for every seed, until one fails. */
import { wrongType } from '../support/checks.ts';
import type { MakeNetworkModel } from './core.ts';
import type { Plan, SimOptions } from './options.ts';
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

/** Events after which the event loop gets its turn between two runs; a run counts for some. */
const EVENTS_PER_YIELD = 20_000;
const RUN_COST = 100;

export type Simulate = (scenario: Scenario, options?: SimOptions) => Promise<SimReport>;

/** What `simulate` is built on. */
export interface SimDependencies {
  readonly realProcess: RealProcess;
  readonly makeNetwork: MakeNetworkModel;
  /** Whether debug mode is on by default. */
  debug(): boolean;
}

export function makeSimulate(parts: SimDependencies): Simulate {
  return async (scenario, options = {}) => {
    if (typeof scenario !== 'function') {
      throw wrongType('scenario', 'a function that takes the world', scenario);
    }
    const plan = planOf(options, parts.makeNetwork, parts.debug());
    return runAll(scenario, plan, parts.realProcess);
  };
}

async function runAll(scenario: Scenario, plan: Plan, outside: RealProcess): Promise<SimReport> {
  const tally = new RunTotals(plan);
  // `simulate` returns before the first task makes a step.
  await outside.yieldToEventLoop();
  await runRange(scenario, plan, outside, {
    first: 0,
    count: plan.runs,
    onResult: (result) => tally.add(result),
  });
  return tally.report();
}

/** Some of the runs of a plan, and who is told of each one that has succeeded. */
export interface RunRange {
  /** The number of the first run, from 0. */
  readonly first: number;
  readonly count: number;
  readonly onResult: (result: RunResult) => void;
}

/** Throws SimulationError for the first run that fails. */
export async function runRange(
  scenario: Scenario,
  plan: Plan,
  outside: RealProcess,
  { first, count, onResult }: RunRange,
): Promise<void> {
  let untilBreath = EVENTS_PER_YIELD;
  for (let run = first; run < first + count; run++) {
    const result = await runOne(scenario, plan, { run, outside });
    onResult(result);
    untilBreath -= result.events + RUN_COST;
    if (untilBreath > 0) continue;
    untilBreath = EVENTS_PER_YIELD;
    await outside.yieldToEventLoop();
  }
}

async function runOne(
  scenario: Scenario,
  { seed: first, runs, settings, shrinkLimits, checkDeterminism, command }: Plan,
  { run, outside }: { readonly run: number; readonly outside: RealProcess },
): Promise<RunResult> {
  const { order, pctDepth, allowed } = settings;
  const which: RunIdentity = {
    seed: first + run,
    run,
    runs,
    order,
    pctDepth,
    allowed: allowed,
    command,
  };
  const own = { ...settings, seed: which.seed };
  const found = shrinkLimits === null ? null : noChoices();
  const result = await runOnce(scenario, { ...own, deviations: found }, outside);
  if (checkDeterminism) await compareRuns(result, scenario, own, { outside, which });
  if (result.failure === null) return result;
  const isToShrink = shrinkLimits !== null && found !== null && result.deterministic;
  const shrunk = isToShrink
    ? await shrinkRun(result, found, scenario, {
        settings: own,
        limits: shrinkLimits,
        realProcess: outside,
      })
    : null;
  throw simulationError(result, which, shrunk);
}
