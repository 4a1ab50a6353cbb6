/** A failed run, made again with fewer and fewer choices. */

import { firstLine } from '../../support/checks.ts';
import type { Deviations } from '../choices/decisions.ts';
import type { ShrinkOptions } from '../options.ts';
import type { RealProcess, RunResult, RunSettings } from '../run-once.ts';
import { runOnce } from '../run-once.ts';
import type { Scenario } from '../world.ts';
import { countChoices, noChoices, shrink } from './shrink.ts';

/** What is left of a failed run. */
export interface ShrinkResult {
  /** The run that fails the same way. */
  readonly result: RunResult;
  /** Its choices, and how many there were. */
  readonly choices: Deviations;
  readonly initialCount: number;
}

/** A run with fewer choices may take so many more steps and events, and twice those it had. */
const EXTRA_STEPS = 10_000;

interface ShrinkContext {
  readonly settings: RunSettings;
  readonly limits: Required<ShrinkOptions>;
  readonly realProcess: RealProcess;
}

/** The run with the fewest choices that could be found. `null`: there is none but the whole one. */
export async function shrinkRun(
  failed: RunResult,
  found: Deviations,
  scenario: Scenario,
  { settings, limits, realProcess }: ShrinkContext,
): Promise<ShrinkResult | null> {
  const key = failureKey(failed.failure?.error);
  const isOver = realProcess.deadline(limits.maxMs);
  const smaller = { ...settings, maxSteps: maxStepsFor(failed, settings.maxSteps) };
  let best = null as RunResult | null;
  let tries = 0;
  const attempt = async (kept: RunSettings['allowed']): Promise<Deviations | null> => {
    tries++;
    const deviations = noChoices();
    const result = await runOnce(scenario, { ...smaller, allowed: kept, deviations }, realProcess);
    await realProcess.yieldToEventLoop();
    const isSame = result.failure !== null && failureKey(result.failure.error) === key;
    if (!isSame || !result.deterministic) return null;
    best = result;
    return deviations;
  };
  const mayTry = (): boolean => tries < limits.maxTries && !isOver();
  const left = await shrink(found, attempt, mayTry);
  return best === null ? null : { result: best, choices: left, initialCount: countChoices(found) };
}

/**
 * A run that goes on for far longer than the one that failed does not explain it. One that has
 * failed at the limit has to reach the same one again.
 */
function maxStepsFor({ failure, events }: RunResult, maxSteps: number): number {
  const { code } = (failure?.error ?? {}) as { readonly code?: unknown };
  if (code === 'ERR_SIMULATION_LIMIT') return maxSteps;
  return Math.min(maxSteps, 2 * events + EXTRA_STEPS);
}

/** When two runs have failed the same way. */

/** Causes within causes that are looked at. */
const MAX_CAUSE_DEPTH = 5;

/**
 * The same for failures that are the same: an invariant by its name; any other error by its class,
 * its code and the first line of its text, in which all numbers are alike: ports, times and counts
 * differ from run to run. A group is as its first failure is.
 */
export function failureKey(error: unknown): string {
  try {
    return keyOf(error, 0);
  } catch {
    // An error that throws when it is looked at is told by its text, as far as it has one.
    return firstLine(error);
  }
}

interface ErrorLike {
  readonly code?: unknown;
  readonly invariant?: unknown;
  readonly cause?: unknown;
  readonly constructor?: { readonly name?: unknown };
}

function keyOf(error: unknown, depth: number): string {
  if (typeof error !== 'object' || error === null)
    return `${typeof error}: ${normalizedText(error)}`;
  const { code, invariant, cause, constructor: made } = error as ErrorLike;
  const name = `${String(made?.name)} ${String(code)}`;
  if (invariant !== undefined) return `${name} '${String(invariant)}'`;
  if (code === 'ERR_GROUP' && depth < MAX_CAUSE_DEPTH)
    return `${name} of ${keyOf(cause, depth + 1)}`;
  return `${name}: ${normalizedText(error)}`;
}

function normalizedText(error: unknown): string {
  return firstLine(error).replace(/\d+(?:\.\d+)*/g, '#');
}
