/**
 * A run as one word: what `--replay` and `options.replay` take.
 *
 *     version  order  pctDepth  seed  choices  checksum        base64url
 *        1        1      1..n    1..n    …          4    bytes
 *
 * Numbers are little-endian groups of 7 bits, the highest bit of a byte set if another follows. The
 * choices are 0 for "all are free", or 1 and, for each kind, the number of ranges of choices that
 * may differ from their defaults, and of each range how far it begins behind the one before, and
 * how many more than one it holds.
 */
import { wrongType } from '../kernel/checks.ts';
import { fromBase64url, toBase64url } from './base64url.ts';
import type { DecisionKind, Kept } from './decisions.ts';
import { DECISION_KINDS } from './decisions.ts';
import { ReplayTokenError } from './errors.ts';
import type { OrderName } from './order.ts';
import { ORDERS } from './order.ts';

/** What a token says. */
export interface Replay {
  readonly seed: number;
  readonly order: OrderName;
  readonly pctDepth: number;
  /** The choices that may differ from their defaults; null: all. */
  readonly kept: Kept | null;
}

/** The first letter of a token depends on this alone: it is an A, and no dash, up to 3. */
const VERSION = 1;
const CHECKSUM_BYTES = 4;
/** Choices that a token lists at most, and its letters. Commands take arguments of 128 KB. */
const MOST_CHOICES = 1_000_000;
const MOST_LETTERS = 100_000;
/** A run with so many choices is told by its seed instead. */
const MOST_BYTES = 4000;
const MOST_DEPTH = 100;

/** The token for a run. If it listed too many choices to be handled, it is that of the seed. */
export function encodeReplay(replay: Replay): string {
  const bytes = bytesOf(replay);
  if (bytes.length > MOST_BYTES) return encodeReplay({ ...replay, kept: null });
  return toBase64url([...bytes, ...checksum(bytes)]);
}

function bytesOf({ seed, order, pctDepth, kept }: Replay): number[] {
  const bytes = [VERSION, ORDERS.indexOf(order)];
  writeNumber(bytes, pctDepth);
  writeNumber(bytes, seed);
  bytes.push(kept === null ? 0 : 1);
  if (kept === null) return bytes;
  for (const kind of DECISION_KINDS) {
    const ranges = rangesOf(kept[kind]);
    writeNumber(bytes, ranges.length);
    let end = 0;
    for (const { first, count } of ranges) {
      writeNumber(bytes, first - end);
      writeNumber(bytes, count - 1);
      end = first + count;
    }
  }
  return bytes;
}

interface Range {
  readonly first: number;
  count: number;
}

function rangesOf(numbers: ReadonlySet<number>): Range[] {
  const ranges: Range[] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last.first + last.count === number) last.count++;
    else ranges.push({ first: number, count: 1 });
  }
  return ranges;
}

function writeNumber(bytes: number[], number: number): void {
  let rest = number;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
}

/** The 32-bit FNV-1a hash: two texts that differ in one byte never have the same. */
function checksum(bytes: readonly number[]): number[] {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return [24, 16, 8, 0].map((shift) => (hash >>> shift) & 255);
}

/** Throws TypeError for what is no text, ReplayTokenError for what is no token. */
export function decodeReplay(token: string): Replay {
  if (typeof token !== 'string') throw wrongType('replay', 'a token', token);
  const text = token.trim();
  const bytes = text.length > MOST_LETTERS ? undefined : fromBase64url(text);
  if (bytes === undefined || bytes.length <= CHECKSUM_BYTES) {
    throw noToken(token, 'it is none, or not whole');
  }
  if (bytes[0] !== VERSION) {
    throw noToken(token, `version ${bytes[0]} is not one that this Coronet knows (${VERSION})`);
  }
  const body = bytes.slice(0, -CHECKSUM_BYTES);
  if (`${checksum(body)}` !== `${bytes.slice(-CHECKSUM_BYTES)}`) {
    throw noToken(token, 'its checksum does not match: a part is missing or altered');
  }
  const replay = new TokenReader(body).read();
  if (replay === undefined) throw noToken(token, 'what it says makes no run');
  return replay;
}

function noToken(token: string, why: string): ReplayTokenError {
  const shown = token.length <= 40 ? token : `${token.slice(0, 39)}…`;
  const expected = 'Expected `replay` to be a token as a SimulationError has it';
  return new ReplayTokenError(`${expected}, got ${JSON.stringify(shown)}: ${why}`);
}

/** Reads bytes that have the right checksum, and may be anything all the same. */
class TokenReader {
  readonly #bytes: readonly number[];
  #at = 1;
  #choices = 0;
  /** False: something was out of its range. */
  #isGood = true;

  constructor(bytes: readonly number[]) {
    this.#bytes = bytes;
  }

  read(): Replay | undefined {
    const order = ORDERS[this.#number(ORDERS.length - 1)] as OrderName;
    const pctDepth = this.#number(MOST_DEPTH, 1);
    const seed = this.#number(Number.MAX_SAFE_INTEGER);
    const kept = this.#number(1) === 0 ? null : this.#kept();
    const isAll = this.#at === this.#bytes.length;
    return this.#isGood && isAll ? { seed, order, pctDepth, kept } : undefined;
  }

  #kept(): Kept {
    const kept = {} as Record<DecisionKind, ReadonlySet<number>>;
    for (const kind of DECISION_KINDS) kept[kind] = this.#numbers();
    return kept;
  }

  #numbers(): Set<number> {
    const numbers = new Set<number>();
    let next = 0;
    for (let ranges = this.#number(MOST_CHOICES); ranges > 0 && this.#isGood; ranges--) {
      next += this.#number(2 ** 32);
      const count = 1 + this.#number(MOST_CHOICES);
      this.#choices += count;
      this.#isGood &&= this.#choices <= MOST_CHOICES;
      for (const end = next + count; next < end && this.#isGood; next++) numbers.add(next);
    }
    return numbers;
  }

  #number(most: number, least = 0): number {
    let number = 0;
    for (let unit = 1; unit <= 2 ** 49; unit *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      number += (byte & 127) * unit;
      if (byte >= 128) continue;
      if (number >= least && number <= most) return number;
      break;
    }
    this.#isGood = false;
    return least;
  }
}
