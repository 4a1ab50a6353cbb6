/** A failed run, made again with fewer and fewer choices. */
import type { Deviations } from './decisions.ts';
import type { ShrinkOptions } from './options.ts';
import type { Outside } from './outside.ts';
import type { RunResult } from './run-once.ts';
import { runOnce } from './run-once.ts';
import { failureKey } from './same-failure.ts';
import type { RunSettings } from './settings.ts';
import { countChoices, noChoices, shrink } from './shrink.ts';
import type { Scenario } from './world.ts';

/** What is left of a failed run. */
export interface Shrunk {
  /** The run that fails the same way. */
  readonly result: RunResult;
  /** Its choices, and how many there were. */
  readonly left: Deviations;
  readonly of: number;
}

/** A run with fewer choices may take so many more steps and events, and twice those it had. */
const MORE_STEPS = 10_000;

interface Shrinking {
  readonly settings: RunSettings;
  readonly limits: Required<ShrinkOptions>;
  readonly outside: Outside;
}

/** The run with the fewest choices that could be found. `null`: there is none but the whole one. */
export async function shrinkRun(
  failed: RunResult,
  found: Deviations,
  scenario: Scenario,
  { settings, limits, outside }: Shrinking,
): Promise<Shrunk | null> {
  const key = failureKey(failed.failure?.error);
  const isOver = outside.limit(limits.maxMs);
  const smaller = { ...settings, maxSteps: stepsFor(failed, settings.maxSteps) };
  let best = null as RunResult | null;
  let tries = 0;
  const attempt = async (kept: RunSettings['kept']): Promise<Deviations | null> => {
    tries++;
    const deviations = noChoices();
    const result = await runOnce(scenario, { ...smaller, kept, deviations }, outside);
    await outside.breathe();
    const isSame = result.failure !== null && failureKey(result.failure.error) === key;
    if (!isSame || !result.deterministic) return null;
    best = result;
    return deviations;
  };
  const mayTry = (): boolean => tries < limits.maxTries && !isOver();
  const left = await shrink(found, attempt, mayTry);
  return best === null ? null : { result: best, left, of: countChoices(found) };
}

/**
 * A run that goes on for far longer than the one that failed does not explain it. One that has
 * failed at the limit has to reach the same one again.
 */
function stepsFor({ failure, events }: RunResult, maxSteps: number): number {
  const { code } = (failure?.error ?? {}) as { readonly code?: unknown };
  if (code === 'ERR_SIMULATION_LIMIT') return maxSteps;
  return Math.min(maxSteps, 2 * events + MORE_STEPS);
}
