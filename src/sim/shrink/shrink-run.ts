/** Shrinks a failed run: repeats it with fewer and fewer random choices. */

import { firstLine } from '../../support/checks.ts';
import type { Deviations } from '../choices/decisions.ts';
import type { ShrinkOptions } from '../options.ts';
import type { RealProcess, RunResult, RunSettings } from '../run-once.ts';
import { runOnce } from '../run-once.ts';
import type { Scenario } from '../world.ts';
import { countChoices, noChoices, shrink } from './shrink.ts';

/** The smallest run that fails the same way. */
export interface ShrinkResult {
  readonly result: RunResult;
  readonly choices: Deviations;
  /** The number of choices of the original run. */
  readonly initialCount: number;
}

/** A shrunk run may take twice the events of the failed run, and so many more. */
const EXTRA_STEPS = 10_000;

interface ShrinkContext {
  readonly settings: RunSettings;
  readonly limits: Required<ShrinkOptions>;
  readonly realProcess: RealProcess;
}

/** Returns `null` if no smaller run fails the same way. */
export async function shrinkRun(
  failed: RunResult,
  found: Deviations,
  scenario: Scenario,
  { settings, limits, realProcess }: ShrinkContext,
): Promise<ShrinkResult | null> {
  const key = failureKey(failed.failure?.error);
  const isTimeUp = realProcess.deadline(limits.maxMs);
  const smaller = { ...settings, maxSteps: maxStepsFor(failed, settings.maxSteps) };
  let best = null as RunResult | null;
  let attempts = 0;
  const attempt = async (allowed: RunSettings['allowed']): Promise<Deviations | null> => {
    attempts++;
    const deviations = noChoices();
    const result = await runOnce(scenario, { ...smaller, allowed, deviations }, realProcess);
    await realProcess.yieldToEventLoop();
    const isSame = result.failure !== null && failureKey(result.failure.error) === key;
    if (!isSame || !result.deterministic) return null;
    best = result;
    return deviations;
  };
  const mayAttempt = (): boolean => attempts < limits.maxTries && !isTimeUp();
  const choices = await shrink(found, attempt, mayAttempt);
  return best === null ? null : { result: best, choices, initialCount: countChoices(found) };
}

/**
 * A run that is much longer than the failed one does not explain it. A run that failed at the step
 * limit has to reach the same limit again.
 */
function maxStepsFor({ failure, events }: RunResult, maxSteps: number): number {
  const { code } = (failure?.error ?? {}) as { readonly code?: unknown };
  if (code === 'ERR_SIMULATION_LIMIT') return maxSteps;
  return Math.min(maxSteps, 2 * events + EXTRA_STEPS);
}

/** The maximum depth of nested causes in a failure key. */
const MAX_CAUSE_DEPTH = 5;

/**
 * Two failures with the same key count as the same failure. An invariant is identified by its name;
 * any other error by its class, its code and the first line of its text, with all numbers replaced:
 * ports, times and counts differ from run to run. A group error has the key of its first failure.
 */
export function failureKey(error: unknown): string {
  try {
    return keyOf(error, 0);
  } catch {
    // The properties of the error may throw. `firstLine` does not.
    return firstLine(error);
  }
}

interface ErrorLike {
  readonly code?: unknown;
  readonly kind?: unknown;
  readonly invariant?: unknown;
  readonly cause?: unknown;
  readonly constructor?: { readonly name?: unknown };
}

function keyOf(error: unknown, depth: number): string {
  if (typeof error !== 'object' || error === null) {
    return `${typeof error}: ${normalizedText(error)}`;
  }
  const { code, kind, invariant, cause, constructor: made } = error as ErrorLike;
  const name = `${String(made?.name)} ${String(code)}`;
  if (invariant !== undefined) return `${name} ${String(kind)} '${String(invariant)}'`;
  if (code === 'ERR_GROUP' && depth < MAX_CAUSE_DEPTH) {
    return `${name} of ${keyOf(cause, depth + 1)}`;
  }
  return `${name}: ${normalizedText(error)}`;
}

function normalizedText(error: unknown): string {
  return firstLine(error).replace(/\d+(?:\.\d+)*/g, '#');
}
