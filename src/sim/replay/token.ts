/**
 * A replay token: a run as one word, for `--replay` and `options.replay`. The word is base64url
 * (RFC 4648, section 5) of these bytes:
 *
 *     version  order  pctDepth  seed  choices  checksum
 *        1        1      1..n    1..n    …          4
 *
 * Numbers are little-endian groups of 7 bits; the highest bit of a byte is set if another group
 * follows. `choices` is 0 if all choices are free. Otherwise it is 1 and, for each kind, the number
 * of ranges of choices that may differ from their defaults; and for each range, the distance from
 * the end of the range before it, and its length minus 1.
 */
import { wrongType } from '../../support/checks.ts';
import type { AllowedChoices, DecisionKind } from '../choices/decisions.ts';
import { DECISION_KINDS } from '../choices/decisions.ts';
import type { OrderName } from '../choices/order.ts';
import { ORDERS } from '../choices/order.ts';
import { ReplayTokenError } from '../errors.ts';

/** The contents of a token. */
export interface Replay {
  readonly seed: number;
  readonly order: OrderName;
  readonly pctDepth: number;
  /** The choices that may differ from their defaults; null: all. */
  readonly allowed: AllowedChoices | null;
}

/** For versions 0 to 3 a token begins with 'A', so no command mistakes it for an option. */
const VERSION = 1;
const CHECKSUM_BYTES = 4;
/** The maximum number of choices and characters of a token. Commands take arguments of 128 KB. */
const MAX_CHOICES = 1_000_000;
const MAX_CHARACTERS = 100_000;
/** A token with more bytes is replaced by that of the seed. */
const MAX_BYTES = 4000;
const MAX_PCT_DEPTH = 100;

/** The token of a run. If it would list too many choices, it is the token of the seed. */
export function encodeReplay(replay: Replay): string {
  const bytes = encodeBytes(replay);
  if (bytes.length > MAX_BYTES) return encodeReplay({ ...replay, allowed: null });
  return Buffer.from([...bytes, ...checksum(bytes)]).toString('base64url');
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

/** The 32-bit FNV-1a hash: it differs for any two texts that differ in one byte. */
function checksum(bytes: readonly number[]): number[] {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return [24, 16, 8, 0].map((shift) => (hash >>> shift) & 255);
}

/** Throws TypeError if `token` is not a string, ReplayTokenError if it is not a token. */
export function decodeReplay(token: string): Replay {
  if (typeof token !== 'string') throw wrongType('replay', 'a token', token);
  const bytes = bytesOf(token.trim());
  if (bytes === undefined || bytes.length <= CHECKSUM_BYTES) {
    throw invalidToken(token, 'it is not a token, or not complete');
  }
  if (bytes[0] !== VERSION) {
    throw invalidToken(token, `this Coronet reads version ${VERSION}, not ${bytes[0]}`);
  }
  const body = bytes.slice(0, -CHECKSUM_BYTES);
  if (`${checksum(body)}` !== `${bytes.slice(-CHECKSUM_BYTES)}`) {
    throw invalidToken(token, 'its checksum does not match: a part is missing or altered');
  }
  const replay = new TokenReader(body).read();
  if (replay === undefined) throw invalidToken(token, 'its contents do not describe a run');
  return replay;
}

/** Decodes base64url. Rejects every text but the one that the encoder produces for the bytes. */
function bytesOf(text: string): number[] | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? [...bytes] : undefined;
}

function invalidToken(token: string, why: string): ReplayTokenError {
  const shown = token.length <= 40 ? token : `${token.slice(0, 39)}…`;
  const expected = 'Expected `replay` to be a token from a SimulationError';
  return new ReplayTokenError(`${expected}, got ${JSON.stringify(shown)}: ${why}`);
}

/** Parses bytes whose checksum is right. Their contents may still be invalid. */
class TokenReader {
  readonly #bytes: readonly number[];
  #at = 1;
  #choices = 0;
  /** False: a number was out of range. */
  #isValid = true;

  constructor(bytes: readonly number[]) {
    this.#bytes = bytes;
  }

  read(): Replay | undefined {
    const order = ORDERS[this.#number(ORDERS.length - 1)] as OrderName;
    const pctDepth = this.#number(MAX_PCT_DEPTH, 1);
    const seed = this.#number(Number.MAX_SAFE_INTEGER);
    const allowed = this.#number(1) === 0 ? null : this.#allowed();
    const isAtEnd = this.#at === this.#bytes.length;
    return this.#isValid && isAtEnd ? { seed, order, pctDepth, allowed } : undefined;
  }

  #allowed(): AllowedChoices {
    const allowed = {} as Record<DecisionKind, ReadonlySet<number>>;
    for (const kind of DECISION_KINDS) allowed[kind] = this.#numbers();
    return allowed;
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
