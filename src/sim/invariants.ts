/** `always` and `eventually`: what a scenario demands of the whole world. */
import { firstLine, show } from '../support/checks.ts';
import { InvariantError } from './errors.ts';
import type { Simulator } from './simulator.ts';

interface Invariant {
  readonly code: 'ERR_ALWAYS' | 'ERR_EVENTUALLY';
  readonly name: string;
  readonly predicate: () => boolean;
}

/** A demand that still has to come true. */
interface PendingInvariant extends Invariant {
  readonly withinMs: number;
  readonly since: number;
}

export class Invariants {
  readonly #simulator: Simulator;
  readonly #always: Invariant[] = [];
  #pending: PendingInvariant[] = [];
  /** Faults that nobody has healed yet: "partition a → b". */
  readonly #faults = new Set<string>();
  /** When the last of them was healed, or stopped to count. */
  #healedAt = 0;
  /** True: nothing is demanded, so no step has to be looked at. */
  idle = true;

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
  }

  /** True while something still has to come true. */
  get pending(): boolean {
    return this.#pending.length > 0;
  }

  always(name: string, predicate: () => boolean): void {
    this.#always.push({ code: 'ERR_ALWAYS', name, predicate });
    this.idle = false;
    this.check();
  }

  eventually(name: string, predicate: () => boolean, withinMs: number): void {
    const since = this.#simulator.now;
    this.#pending.push({ code: 'ERR_EVENTUALLY', name, predicate, withinMs, since });
    this.idle = false;
    this.check();
  }

  faultBegins(name: string): void {
    this.#faults.add(name);
  }

  faultEnds(name: string): void {
    if (this.#faults.delete(name) && this.#faults.size === 0) this.#allHealed();
  }

  /** The scenario has ended: nobody is left to heal anything, so all clocks run from now on. */
  ignoreRemainingFaults(): void {
    if (this.#faults.size === 0) return;
    this.#faults.clear();
    this.#allHealed();
  }

  #allHealed(): void {
    this.#healedAt = this.#simulator.now;
  }

  /** After every step. */
  check(): void {
    for (const demand of this.#always) {
      if (!this.#holds(demand)) this.#fail(demand, `'${demand.name}' does not hold`);
    }
    if (this.#pending.length === 0) return;
    this.#pending = this.#pending.filter((demand) => !this.#holds(demand));
    this.idle = this.#always.length === 0 && this.#pending.length === 0;
  }

  #holds(demand: Invariant): boolean {
    try {
      const holds: unknown = demand.predicate();
      if (typeof holds === 'boolean') return holds;
      const text = `'${demand.name}' has to give a boolean, got ${show(holds)} (${typeof holds})`;
      this.#fail(demand, text);
    } catch (error) {
      this.#fail(demand, `'${demand.name}' threw ${firstLine(error)}`, error);
    }
    return true;
  }

  /** The first time at which something pending is too late; Infinity while a fault stands. */
  get nextDeadline(): number {
    if (this.#faults.size > 0) return Infinity;
    let next = Infinity;
    for (const demand of this.#pending) next = Math.min(next, this.#deadlineOf(demand));
    return next;
  }

  #deadlineOf(demand: PendingInvariant): number {
    return this.#startOf(demand) + demand.withinMs;
  }

  #startOf(demand: PendingInvariant): number {
    return Math.max(demand.since, this.#healedAt);
  }

  /** The world is about to pass `nextEnd`, or, if that is Infinity, to stand still for ever. */
  failPending(): void {
    const end = this.nextDeadline;
    const late = this.#pending.find((demand) => this.#deadlineOf(demand) <= end);
    if (late === undefined) return;
    const never = 'cannot come true: nothing can happen any more';
    const since = `did not come true within ${late.withinMs} ms from ${this.#startOf(late)} ms`;
    this.#fail(late, `'${late.name}' ${end === Infinity ? never : since}`);
  }

  #fail(demand: Invariant, text: string, cause?: unknown): void {
    this.#simulator.runState.fail(new InvariantError(demand.code, text, demand.name, cause));
  }
}
