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
import { wrongType } from '../../support/checks.ts';
import { fromBase64url, toBase64url } from '../base64url.ts';
import type { AllowedChoices, DecisionKind } from '../choices/decisions.ts';
import { DECISION_KINDS } from '../choices/decisions.ts';
import type { OrderName } from '../choices/order.ts';
import { ORDERS } from '../choices/order.ts';
import { ReplayTokenError } from '../errors.ts';

/** What a token says. */
export interface Replay {
  readonly seed: number;
  readonly order: OrderName;
  readonly pctDepth: number;
  /** The choices that may differ from their defaults; null: all. */
  readonly allowed: AllowedChoices | null;
}

/** The first letter of a token depends on this alone: it is an A, and no dash, up to 3. */
const VERSION = 1;
const CHECKSUM_BYTES = 4;
/** Choices that a token lists at most, and its letters. Commands take arguments of 128 KB. */
const MAX_CHOICES = 1_000_000;
const MAX_LETTERS = 100_000;
/** A run with so many choices is told by its seed instead. */
const MAX_BYTES = 4000;
const MAX_PCT_DEPTH = 100;

/** The token for a run. If it listed too many choices to be handled, it is that of the seed. */
export function encodeReplay(replay: Replay): string {
  const bytes = encodeBytes(replay);
  if (bytes.length > MAX_BYTES) return encodeReplay({ ...replay, allowed: null });
  return toBase64url([...bytes, ...checksum(bytes)]);
}

function encodeBytes({ seed, order, pctDepth, allowed }: Replay): number[] {
  const bytes = [VERSION, ORDERS.indexOf(order)];
  writeNumber(bytes, pctDepth);
  writeNumber(bytes, seed);
  bytes.push(allowed === null ? 0 : 1);
  if (allowed === null) return bytes;
  for (const kind of DECISION_KINDS) {
    const ranges = rangesOf(allowed[kind]);
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
  const bytes = text.length > MAX_LETTERS ? undefined : fromBase64url(text);
  if (bytes === undefined || bytes.length <= CHECKSUM_BYTES) {
    throw invalidToken(token, 'it is none, or not whole');
  }
  if (bytes[0] !== VERSION) {
    throw invalidToken(
      token,
      `version ${bytes[0]} is not one that this Coronet knows (${VERSION})`,
    );
  }
  const body = bytes.slice(0, -CHECKSUM_BYTES);
  if (`${checksum(body)}` !== `${bytes.slice(-CHECKSUM_BYTES)}`) {
    throw invalidToken(token, 'its checksum does not match: a part is missing or altered');
  }
  const replay = new TokenReader(body).read();
  if (replay === undefined) throw invalidToken(token, 'what it says makes no run');
  return replay;
}

function invalidToken(token: string, why: string): ReplayTokenError {
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
  #isValid = true;

  constructor(bytes: readonly number[]) {
    this.#bytes = bytes;
  }

  read(): Replay | undefined {
    const order = ORDERS[this.#number(ORDERS.length - 1)] as OrderName;
    const pctDepth = this.#number(MAX_PCT_DEPTH, 1);
    const seed = this.#number(Number.MAX_SAFE_INTEGER);
    const kept = this.#number(1) === 0 ? null : this.#allowed();
    const isAll = this.#at === this.#bytes.length;
    return this.#isValid && isAll ? { seed, order, pctDepth, allowed: kept } : undefined;
  }

  #allowed(): AllowedChoices {
    const kept = {} as Record<DecisionKind, ReadonlySet<number>>;
    for (const kind of DECISION_KINDS) kept[kind] = this.#numbers();
    return kept;
  }

  #numbers(): Set<number> {
    const numbers = new Set<number>();
    let next = 0;
    for (let ranges = this.#number(MAX_CHOICES); ranges > 0 && this.#isValid; ranges--) {
      next += this.#number(2 ** 32);
      const count = 1 + this.#number(MAX_CHOICES);
      this.#choices += count;
      this.#isValid &&= this.#choices <= MAX_CHOICES;
      for (const end = next + count; next < end && this.#isValid; next++) numbers.add(next);
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
    this.#isValid = false;
    return least;
  }
}
