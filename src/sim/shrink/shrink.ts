/**
 * Reduces the choices of a failing run to the few that make it fail.
 *
 * A choice that is not allowed takes its default and leaves all others as they were. But the run
 * may then make other choices, and later numbers may mean something else. So every reduction is
 * tested with a run, and only one that fails the same way is accepted. The steps:
 *
 *  1. No choices at all: tasks in the order they became ready, least latencies, no faults.
 *  2. Without all choices of one kind.
 *  3. Within each kind, without a half, quarters, … single choices. Late choices are removed first,
 *     because they affect the least of the run. This is the removal part of delta debugging
 *     (Zeller, Hildebrandt: "Simplifying and isolating failure-inducing input", IEEE TSE 2002).
 *  4. Step 3 again, until no single choice can be removed, or the attempts are used up.
 */
import type { AllowedChoices, DecisionKind, Deviations } from '../choices/decisions.ts';
import { DECISION_KINDS } from '../choices/decisions.ts';

/**
 * Runs the scenario with these choices only. If the run fails the same way, resolves to the choices
 * that differed from their defaults: a subset of those allowed. Otherwise resolves to null.
 */
export type Attempt = (allowed: AllowedChoices) => Promise<Deviations | null>;

/** The order in which kinds are removed: faults affect a run the most, then the schedule. */
const SHRINK_ORDER: readonly DecisionKind[] = ['fault', 'schedule', 'latency', 'program'];

/** Removes choices from `found` while `mayAttempt` returns true. */
export async function shrink(
  found: Deviations,
  attempt: Attempt,
  mayAttempt: () => boolean,
): Promise<Deviations> {
  return await new Shrinker(found, attempt, mayAttempt).run();
}

/** The number of choices. */
export function countChoices(choices: Deviations): number {
  return DECISION_KINDS.reduce((sum, kind) => sum + choices[kind].length, 0);
}

/** The choices in the form of `RunSettings.allowed`. */
export function allowOnly(choices: Deviations): AllowedChoices {
  const allowed = {} as Record<DecisionKind, ReadonlySet<number>>;
  for (const kind of DECISION_KINDS) allowed[kind] = new Set(choices[kind]);
  return allowed;
}

export function noChoices(): Deviations {
  return { schedule: [], latency: [], fault: [], program: [] };
}

class Shrinker {
  #best: Deviations;
  readonly #attempt: Attempt;
  readonly #mayAttempt: () => boolean;

  constructor(found: Deviations, attempt: Attempt, mayAttempt: () => boolean) {
    this.#best = found;
    this.#attempt = attempt;
    this.#mayAttempt = mayAttempt;
  }

  async run(): Promise<Deviations> {
    if (this.#size === 0 || (await this.#try(noChoices()))) return this.#best;
    for (const kind of SHRINK_ORDER) await this.#tryWithout(kind, 0, Infinity);
    for (let before = Infinity; this.#size < before && this.#size > 0; ) {
      before = this.#size;
      for (const kind of SHRINK_ORDER) await this.#removeChunks(kind);
    }
    return this.#best;
  }

  get #size(): number {
    return countChoices(this.#best);
  }

  /** Step 3 for one kind. */
  async #removeChunks(kind: DecisionKind): Promise<void> {
    for (let size = Math.floor((this.#best[kind].length + 1) / 2); size >= 1; ) {
      for (let end = this.#best[kind].length; end > 0 && this.#mayAttempt(); ) {
        const begin = Math.max(0, end - size);
        await this.#tryWithout(kind, begin, end);
        // The attempt may have removed earlier choices as well.
        end = Math.min(begin, this.#best[kind].length);
      }
      if (size === 1 || !this.#mayAttempt()) return;
      size = Math.floor((size + 1) / 2);
    }
  }

  async #tryWithout(kind: DecisionKind, begin: number, end: number): Promise<void> {
    const { [kind]: numbers } = this.#best;
    if (numbers.length === 0) return;
    const rest = numbers.filter((_, index) => index < begin || index >= end);
    await this.#try({ ...this.#best, [kind]: rest });
  }

  async #try(choices: Deviations): Promise<boolean> {
    if (!this.#mayAttempt()) return false;
    const left = await this.#attempt(allowOnly(choices));
    if (left === null) return false;
    this.#best = left;
    return true;
  }
}
