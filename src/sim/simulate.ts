/** `simulate`: a scenario, once for every seed, until one fails. */
import { wrongType } from '../kernel/checks.ts';
import { checkSame } from './determinism.ts';
import type { RunIdentity } from './failure.ts';
import { simulationError } from './failure.ts';
import type { MakeMedium } from './medium.ts';
import type { Plan, SimOptions } from './options.ts';
import { planOf } from './options.ts';
import type { Outside } from './outside.ts';
import type { SimReport } from './report.ts';
import { Tally } from './report.ts';
import type { RunResult } from './run-once.ts';
import { runOnce } from './run-once.ts';
import { noChoices } from './shrink.ts';
import { shrinkRun } from './shrunk.ts';
import type { Scenario } from './world.ts';

/** Events after which the event loop gets its turn between two runs; a run counts for some. */
const BREATH = 20_000;
const RUN_COUNTS = 100;

export type Simulate = (scenario: Scenario, options?: SimOptions) => Promise<SimReport>;

/** What `simulate` is built on. */
export interface Parts {
  readonly outside: Outside;
  readonly makeMedium: MakeMedium;
  /** Whether debug mode is on by default. */
  debug(): boolean;
}

export function makeSimulate(parts: Parts): Simulate {
  return async (scenario, options = {}) => {
    if (typeof scenario !== 'function') {
      throw wrongType('scenario', 'a function that takes the world', scenario);
    }
    const plan = planOf(options, parts.makeMedium, parts.debug());
    return runAll(scenario, plan, parts.outside);
  };
}

async function runAll(scenario: Scenario, plan: Plan, outside: Outside): Promise<SimReport> {
  const tally = new Tally(plan);
  // `simulate` returns before the first task makes a step.
  await outside.breathe();
  await runSome(scenario, plan, outside, {
    first: 0,
    count: plan.runs,
    done: (result) => tally.add(result),
  });
  return tally.report();
}

/** Some of the runs of a plan, and who is told of each one that has succeeded. */
export interface Share {
  /** The number of the first run, from 0. */
  readonly first: number;
  readonly count: number;
  readonly done: (result: RunResult) => void;
}

/** Throws SimulationError for the first run that fails. */
export async function runSome(
  scenario: Scenario,
  plan: Plan,
  outside: Outside,
  { first, count, done }: Share,
): Promise<void> {
  let untilBreath = BREATH;
  for (let run = first; run < first + count; run++) {
    const result = await runOne(scenario, plan, { run, outside });
    done(result);
    untilBreath -= result.events + RUN_COUNTS;
    if (untilBreath > 0) continue;
    untilBreath = BREATH;
    await outside.breathe();
  }
}

async function runOne(
  scenario: Scenario,
  { seed: first, runs, settings, shrink, checkDeterminism, command }: Plan,
  { run, outside }: { readonly run: number; readonly outside: Outside },
): Promise<RunResult> {
  const { order, pctDepth, kept } = settings;
  const which: RunIdentity = { seed: first + run, run, runs, order, pctDepth, kept, command };
  const own = { ...settings, seed: which.seed };
  const found = shrink === null ? null : noChoices();
  const result = await runOnce(scenario, { ...own, deviations: found }, outside);
  if (checkDeterminism) await checkSame(result, scenario, own, { outside, which });
  if (result.failure === null) return result;
  const isToShrink = shrink !== null && found !== null && result.deterministic;
  const shrunk = isToShrink
    ? await shrinkRun(result, found, scenario, { settings: own, limits: shrink, outside })
    : null;
  throw simulationError(result, which, shrunk);
}
