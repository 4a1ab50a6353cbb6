/**
 * From the choices of a run that fails to the few that make it fail.
 *
 * A choice that is not kept falls back to its default, and leaves all others as they were; but a
 * run that goes another way makes other choices, and the later numbers mean something else. So
 * nothing is taken for granted: whatever is left out is tried, and what still fails the same way
 * stays. The steps:
 *
 *  1. No choices at all: first come, first served, least latencies, no faults.
 *  2. Without a whole kind of them.
 *  3. Within each kind, without a half, quarters, … single ones; the last ones first, because what
 *     comes late disturbs the least. It is the part of delta debugging that removes (Zeller,
 *     Hildebrandt: "Simplifying and isolating failure-inducing input", IEEE TSE 2002).
 *  4. Again, until no single choice can be left out, or the tries are used up.
 */
import type { AllowedChoices, DecisionKind, Deviations } from '../choices/decisions.ts';
import { DECISION_KINDS } from '../choices/decisions.ts';

/**
 * Runs with these choices alone. Gives the choices that then differed from their defaults if the
 * run fails the same way: no others than those that were kept, and maybe fewer.
 */
export type Attempt = (kept: AllowedChoices) => Promise<Deviations | null>;

/** The order in which kinds are left out: faults disturb the most, the schedule comes next. */
const SHRINK_ORDER: readonly DecisionKind[] = ['fault', 'schedule', 'latency', 'program'];

/** As few of the choices `found` as can be had while `mayTry` says yes. */
export async function shrink(
  found: Deviations,
  attempt: Attempt,
  mayTry: () => boolean,
): Promise<Deviations> {
  const shrinker = new Shrinker(found, attempt, mayTry);
  await shrinker.run();
  return shrinker.best;
}

/** How many choices there are. */
export function countChoices(choices: Deviations): number {
  return DECISION_KINDS.reduce((sum, kind) => sum + choices[kind].length, 0);
}

/** The choices as a run is told of them. */
export function allowOnly(choices: Deviations): AllowedChoices {
  const kept = {} as Record<DecisionKind, ReadonlySet<number>>;
  for (const kind of DECISION_KINDS) kept[kind] = new Set(choices[kind]);
  return kept;
}

export function noChoices(): Deviations {
  return { schedule: [], latency: [], fault: [], program: [] };
}

class Shrinker {
  best: Deviations;
  readonly #attempt: Attempt;
  readonly #mayAttempt: () => boolean;

  constructor(found: Deviations, attempt: Attempt, mayTry: () => boolean) {
    this.best = found;
    this.#attempt = attempt;
    this.#mayAttempt = mayTry;
  }

  async run(): Promise<void> {
    if (this.#size === 0 || (await this.#try(noChoices()))) return;
    for (const kind of SHRINK_ORDER) await this.#tryWithout(kind, 0, Infinity);
    for (let before = Infinity; this.#size < before && this.#size > 0; ) {
      before = this.#size;
      for (const kind of SHRINK_ORDER) await this.#removeChunks(kind);
    }
  }

  get #size(): number {
    return countChoices(this.best);
  }

  /** Step 3, of one kind. */
  async #removeChunks(kind: DecisionKind): Promise<void> {
    for (let size = Math.floor((this.best[kind].length + 1) / 2); size >= 1; ) {
      for (let end = this.best[kind].length; end > 0 && this.#mayAttempt(); ) {
        const begin = Math.max(0, end - size);
        await this.#tryWithout(kind, begin, end);
        // Earlier choices may have gone, too.
        end = Math.min(begin, this.best[kind].length);
      }
      if (size === 1 || !this.#mayAttempt()) return;
      size = Math.floor((size + 1) / 2);
    }
  }

  async #tryWithout(kind: DecisionKind, begin: number, end: number): Promise<boolean> {
    const { [kind]: numbers } = this.best;
    if (numbers.length === 0) return false;
    const rest = numbers.filter((_, index) => index < begin || index >= end);
    return await this.#try({ ...this.best, [kind]: rest });
  }

  async #try(choices: Deviations): Promise<boolean> {
    if (!this.#mayAttempt()) return false;
    const left = await this.#attempt(allowOnly(choices));
    if (left === null) return false;
    this.best = left;
    return true;
  }
}
