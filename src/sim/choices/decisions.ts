/**
 * Every choice that a simulation makes: which task is next, how long a message takes, whether a
 * fault happens, what `random()` gives.
 *
 * A choice is a pure function of the seed, the kind of the choice and its number within the kind.
 * So choices do not depend on each other: one that is set to its default leaves all others as they
 * were, which is what makes a failing run shrinkable. Lanes go further: the choices of one link, or
 * one task, are counted by themselves, so that they stay the same when others come and go.
 *
 * Invariants:
 *  1. The default of a choice is 0: the first task, the least latency, no fault. A draw of 0 always
 *     means the default.
 *  2. Only 32-bit integer arithmetic and one division by a power of two: the same bits everywhere.
 */

import { hashText } from '../report/trace-hash.ts';

/** Kinds count separately. */
export type DecisionKind = 'schedule' | 'latency' | 'fault' | 'program';

/** In the order in which tokens list them. */
export const DECISION_KINDS: readonly DecisionKind[] = ['schedule', 'latency', 'fault', 'program'];

const SALTS: Readonly<Record<DecisionKind, number>> = {
  schedule: 0x2545f491,
  latency: 0x5851f42d,
  fault: 0x14057b7e,
  program: 0x6c8e9cf5,
};

/** The numbers of the choices of each kind that may differ from the default. */
export type AllowedChoices = Readonly<Record<DecisionKind, ReadonlySet<number>>>;

/** The numbers of the choices that did differ. */
export type Deviations = Record<DecisionKind, number[]>;

/** Choices that are counted by themselves. Numbers of lanes may meet: then they draw the same. */
export class DecisionStream {
  readonly kind: DecisionKind;
  /** The number of the next choice. */
  nextIndex: number;

  constructor(kind: DecisionKind, name = '') {
    this.kind = kind;
    this.nextIndex = name === '' ? 0 : (hashText(name) & 0xffff) * 0x10000;
  }
}

export class Decisions {
  readonly seed: number;
  readonly #low: number;
  readonly #high: number;
  /** `null`: all choices are free. */
  readonly #allowed: AllowedChoices | null;
  /** The choices of each kind that belong to no lane of their own. */
  readonly #defaultStreams: Readonly<Record<DecisionKind, DecisionStream>> = {
    schedule: new DecisionStream('schedule'),
    latency: new DecisionStream('latency'),
    fault: new DecisionStream('fault'),
    program: new DecisionStream('program'),
  };
  readonly #namedStreams = new Map<string, DecisionStream>();
  /** Filled while somebody wants to know. */
  readonly #deviations: Deviations | null;

  constructor(
    seed: number,
    kept: AllowedChoices | null = null,
    deviations: Deviations | null = null,
  ) {
    this.seed = seed;
    this.#low = seed >>> 0;
    this.#high = Math.floor(seed / 2 ** 32) >>> 0;
    this.#allowed = kept;
    this.#deviations = deviations;
  }

  /** The lane of that name: the same one whenever it is asked for. */
  stream(kind: DecisionKind, name: string): DecisionStream {
    const key = `${kind} ${name}`;
    let lane = this.#namedStreams.get(key);
    if (lane === undefined) {
      lane = new DecisionStream(kind, key);
      this.#namedStreams.set(key, lane);
    }
    return lane;
  }

  /** One of `count` possibilities, 0 being the default. */
  choose(which: DecisionKind | DecisionStream, count: number): number {
    if (count <= 1) return 0;
    const lane = this.#streamOf(which);
    const number = lane.nextIndex++;
    return this.#recordDeviation(
      lane.kind,
      number,
      Math.floor(this.#draw(lane.kind, number) * count),
    );
  }

  /** True with probability `p`; false by default. */
  chance(which: DecisionKind | DecisionStream, p: number): boolean {
    if (p <= 0) return false;
    const lane = this.#streamOf(which);
    const number = lane.nextIndex++;
    const happens = this.#draw(lane.kind, number) >= 1 - p;
    return this.#recordDeviation(lane.kind, number, happens ? 1 : 0) === 1;
  }

  /** A number from `least` (the default) up to `most`. */
  between(which: DecisionKind | DecisionStream, least: number, most: number): number {
    if (most <= least) return least;
    const lane = this.#streamOf(which);
    const number = lane.nextIndex++;
    const draw = this.#draw(lane.kind, number);
    this.#recordDeviation(lane.kind, number, draw);
    return least + draw * (most - least);
  }

  #streamOf(which: DecisionKind | DecisionStream): DecisionStream {
    return typeof which === 'string' ? this.#defaultStreams[which] : which;
  }

  #recordDeviation(kind: DecisionKind, number: number, outcome: number): number {
    if (outcome !== 0 && this.#deviations !== null) this.#deviations[kind].push(number);
    return outcome;
  }

  /** In [0, 1), with 32 bits. */
  #draw(kind: DecisionKind, number: number): number {
    if (this.#allowed !== null && !this.#allowed[kind].has(number)) return 0;
    const mixed = mix(mix(this.#low ^ SALTS[kind]) ^ Math.imul(number + 1, 0x9e3779b1));
    return (mix(mixed ^ this.#high) >>> 0) / 2 ** 32;
  }
}

/** The finalizer of MurmurHash3 (Appleby, public domain): every bit of the input changes half. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
