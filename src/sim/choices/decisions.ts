/**
 * Every choice of a simulation: which task is next, how long a message takes, whether a fault
 * happens, what `random()` returns.
 *
 * A choice is a pure function of the seed, the kind of the choice and its number within the kind.
 * So choices do not depend on each other: if one is set to its default, all others stay the same.
 * That makes it possible to shrink a failing run. Streams go further: the choices of one link or
 * one task are numbered separately, so that they stay the same when choices elsewhere are added or
 * removed.
 *
 * Invariants:
 *  1. The default of a choice is 0: the first task, the least latency, no fault. A draw of 0 always
 *     means the default.
 *  2. Draws use only 32-bit integer arithmetic and one division by a power of two: every machine
 *     computes the same bits.
 */

import { hashText } from '../report/trace-hash.ts';

/** The kinds of choices. Each kind is numbered separately. */
export type DecisionKind = 'schedule' | 'latency' | 'fault' | 'program';

/** The order in which tokens list the kinds. */
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

/**
 * A separate numbering. Two streams may collide and then draw the same values; the run stays
 * deterministic.
 */
export class DecisionStream {
  readonly kind: DecisionKind;
  /** Its kind and subject, "latency a b"; '' for a stream without a subject. */
  readonly name: string;
  /** The number of the next choice. */
  nextIndex: number;

  constructor(kind: DecisionKind, name = '') {
    this.kind = kind;
    this.name = name;
    this.nextIndex = name === '' ? 0 : (hashText(name) & 0xffff) * 0x10000;
  }
}

/** Observes the choices that differ from their defaults. */
export interface DecisionObserver {
  /** The last choice of `stream` is `outcome`: an index, 1 for "yes", or a part of the range. */
  choice(stream: DecisionStream, outcome: number): void;
}

export class Decisions {
  readonly #low: number;
  readonly #high: number;
  /** `null`: all choices may differ from their defaults. */
  readonly #allowed: AllowedChoices | null;
  /** The choices of each kind without a stream of their own. */
  readonly #defaultStreams: Readonly<Record<DecisionKind, DecisionStream>> = {
    schedule: new DecisionStream('schedule'),
    latency: new DecisionStream('latency'),
    fault: new DecisionStream('fault'),
    program: new DecisionStream('program'),
  };
  readonly #namedStreams = new Map<string, DecisionStream>();
  /** Filled if it is not null. */
  readonly #deviations: Deviations | null;
  readonly #observer: DecisionObserver | null;

  constructor(
    seed: number,
    allowed: AllowedChoices | null = null,
    deviations: Deviations | null = null,
    observer: DecisionObserver | null = null,
  ) {
    this.#observer = observer;
    this.#low = seed >>> 0;
    this.#high = Math.floor(seed / 2 ** 32) >>> 0;
    this.#allowed = allowed;
    this.#deviations = deviations;
  }

  /** The stream of that name. The same name returns the same stream. */
  stream(kind: DecisionKind, name: string): DecisionStream {
    const key = `${kind} ${name}`;
    let stream = this.#namedStreams.get(key);
    if (stream === undefined) {
      stream = new DecisionStream(kind, key);
      this.#namedStreams.set(key, stream);
    }
    return stream;
  }

  /** Chooses one of `count` possibilities. 0 is the default. */
  choose(which: DecisionKind | DecisionStream, count: number): number {
    if (count <= 1) return 0;
    const stream = this.#streamOf(which);
    return this.#recordDeviation(stream, Math.floor(this.#draw(stream) * count));
  }

  /** True with probability `p`; false by default. */
  chance(which: DecisionKind | DecisionStream, p: number): boolean {
    if (p <= 0) return false;
    const stream = this.#streamOf(which);
    return this.#recordDeviation(stream, this.#draw(stream) >= 1 - p ? 1 : 0) === 1;
  }

  /** A number from `least` (the default) up to `most`. */
  between(which: DecisionKind | DecisionStream, least: number, most: number): number {
    if (most <= least) return least;
    const stream = this.#streamOf(which);
    return least + this.#recordDeviation(stream, this.#draw(stream)) * (most - least);
  }

  #streamOf(which: DecisionKind | DecisionStream): DecisionStream {
    return typeof which === 'string' ? this.#defaultStreams[which] : which;
  }

  /** Records that the last choice of the stream differs from its default, unless it is 0. */
  #recordDeviation(stream: DecisionStream, outcome: number): number {
    if (outcome === 0) return 0;
    const { kind, nextIndex } = stream;
    this.#deviations?.[kind].push(nextIndex - 1);
    this.#observer?.choice(stream, outcome);
    return outcome;
  }

  /** The next number of the stream, in [0, 1) with 32 bits. */
  #draw(stream: DecisionStream): number {
    const { kind } = stream;
    const index = stream.nextIndex++;
    if (this.#allowed !== null && !this.#allowed[kind].has(index)) return 0;
    const mixed = mix(mix(this.#low ^ SALTS[kind]) ^ Math.imul(index + 1, 0x9e3779b1));
    return (mix(mixed ^ this.#high) >>> 0) / 2 ** 32;
  }
}

/** The finalizer of MurmurHash3 (Appleby, public domain): an input bit affects all output bits. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
