/** The invariants of a scenario: `always` and `eventually`. */
import { firstLine, msText, show } from '../support/checks.ts';
import { InvariantError } from './errors.ts';
import type { Simulator } from './simulator.ts';

interface Invariant {
  readonly kind: 'always' | 'eventually';
  readonly name: string;
  readonly predicate: () => boolean;
}

/** An `eventually` that has not become true yet. */
interface PendingInvariant extends Invariant {
  readonly withinMs: number;
  readonly since: number;
}

export class Invariants {
  readonly #simulator: Simulator;
  readonly #always: Invariant[] = [];
  #pending: PendingInvariant[] = [];
  /** Faults that are not healed yet: "partition a b". */
  readonly #faults = new Set<string>();
  /** The time at which the last fault was healed or stopped to count. */
  #healedAt = 0;
  /** True while there is nothing to check after a step. */
  idle = true;

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
  }

  /** True while an `eventually` has not become true. */
  get pending(): boolean {
    return this.#pending.length > 0;
  }

  always(name: string, predicate: () => boolean): void {
    this.#always.push({ kind: 'always', name, predicate });
    this.idle = false;
    this.check();
  }

  eventually(name: string, predicate: () => boolean, withinMs: number): void {
    const since = this.#simulator.now;
    this.#pending.push({ kind: 'eventually', name, predicate, withinMs, since });
    this.idle = false;
    this.check();
  }

  faultBegins(name: string): void {
    this.#faults.add(name);
  }

  faultEnds(name: string): void {
    if (this.#faults.delete(name) && this.#faults.size === 0) this.#allHealed();
  }

  /** The scenario has returned and heals no more faults: they stop to count now. */
  ignoreRemainingFaults(): void {
    if (this.#faults.size === 0) return;
    this.#faults.clear();
    this.#allHealed();
  }

  #allHealed(): void {
    this.#healedAt = this.#simulator.now;
  }

  /** Checks all invariants. Called after every step. */
  check(): void {
    for (const invariant of this.#always) {
      if (!this.#holds(invariant)) this.#fail(invariant, 'does not hold');
    }
    if (this.#pending.length === 0) return;
    this.#pending = this.#pending.filter((invariant) => !this.#holds(invariant));
    this.idle = this.#always.length === 0 && this.#pending.length === 0;
  }

  #holds(invariant: Invariant): boolean {
    try {
      const holds: unknown = invariant.predicate();
      if (typeof holds === 'boolean') return holds;
      const got = `${show(holds)} (${typeof holds})`;
      this.#fail(invariant, `expects a predicate that returns a boolean, got ${got}`);
    } catch (error) {
      this.#fail(invariant, `threw ${firstLine(error)}`, error);
    }
    return true;
  }

  /** The earliest deadline of a pending invariant; Infinity while a fault lasts. */
  get nextDeadline(): number {
    if (this.#faults.size > 0) return Infinity;
    let next = Infinity;
    for (const invariant of this.#pending) next = Math.min(next, this.#deadlineOf(invariant));
    return next;
  }

  #deadlineOf(invariant: PendingInvariant): number {
    return this.#startOf(invariant) + invariant.withinMs;
  }

  #startOf({ since }: PendingInvariant): number {
    return Math.max(since, this.#healedAt);
  }

  /** Fails the run at `nextDeadline`, or, if that is Infinity, because no event is left. */
  failPending(): void {
    const end = this.nextDeadline;
    const late = this.#pending.find((invariant) => this.#deadlineOf(invariant) <= end);
    if (late === undefined) return;
    const never = 'cannot become true: no event is left';
    const start = msText(this.#startOf(late));
    const since = `did not become true within ${msText(late.withinMs)} from ${start}`;
    this.#fail(late, end === Infinity ? never : since);
  }

  #fail(invariant: Invariant, problem: string, cause?: unknown): void {
    this.#simulator.runState.fail(new InvariantError(invariant, problem, cause));
  }
}
