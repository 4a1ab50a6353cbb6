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
  let untilBreath = BREATH;
  for (let run = 0; run < plan.runs; run++) {
    const result = await runOne(scenario, plan, { run, outside });
    tally.add(result);
    untilBreath -= result.events + RUN_COUNTS;
    if (untilBreath > 0) continue;
    untilBreath = BREATH;
    await outside.breathe();
  }
  return tally.report();
}

async function runOne(
  scenario: Scenario,
  { seed: first, runs, settings, checkDeterminism }: Plan,
  { run, outside }: { readonly run: number; readonly outside: Outside },
): Promise<RunResult> {
  const seed = first + run;
  const which: RunIdentity = { seed, run, runs, order: settings.order };
  const own = { ...settings, seed };
  const result = await runOnce(scenario, own, outside);
  if (checkDeterminism) await checkSame(result, scenario, own, { outside, which });
  if (result.failure !== null) throw simulationError(result, which);
  return result;
}
