/** Address ranges: '10.0.0.0/8', 'fd00::/8', '192.0.2.7', and 'unix' for Unix sockets. */
import { outOfRange, wrongType } from '../../support/checks.ts';
import type { SocketAddress } from '../address.ts';
import { ipBytes, ipFamily } from '../address.ts';

const EXPECTED_RANGE = "a range such as '10.0.0.0/8', 'fd00::/8', '192.0.2.7' or 'unix'";

interface AddressRange {
  readonly bytes: Uint8Array;
  /** The length of the prefix, of 128 bits. */
  readonly bits: number;
}

/** A set of address ranges. An IPv4-mapped IPv6 address counts as IPv4. */
export class AddressRanges {
  readonly #ranges: readonly AddressRange[];
  readonly #unix: boolean;

  /** Errors: TypeError, RangeError. `name` names the option in their messages. */
  constructor(name: string, ranges: readonly string[]) {
    if (!Array.isArray(ranges)) throw wrongType(name, `an array of ${EXPECTED_RANGE}`, ranges);
    const parsed = ranges.map((range, index) => parseRange(`${name}[${index}]`, range));
    this.#ranges = parsed.filter((range) => range !== 'unix');
    this.#unix = parsed.includes('unix');
  }

  has({ host, family }: SocketAddress): boolean {
    if (family === 'unix') return this.#unix;
    const bytes = ipBytes(host);
    return this.#ranges.some((range) => isInside(bytes, range));
  }
}

function parseRange(name: string, range: string): AddressRange | 'unix' {
  if (typeof range !== 'string') throw wrongType(name, EXPECTED_RANGE, range);
  if (range === 'unix') return 'unix';
  const match = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(range);
  const family = ipFamily(match?.[1] ?? '');
  const width = family === 4 ? 32 : 128;
  const bits = Number(match?.[2] ?? width);
  if (match === null || family === 0 || bits > width) throw outOfRange(name, EXPECTED_RANGE, range);
  return { bytes: ipBytes(match[1] as string), bits: bits + 128 - width };
}

function isInside(address: Uint8Array, { bytes, bits }: AddressRange): boolean {
  const whole = bits >> 3;
  for (let index = 0; index < whole; index++) {
    if (address[index] !== bytes[index]) return false;
  }
  const rest = bits & 7;
  if (rest === 0) return true;
  return ((address[whole] as number) ^ (bytes[whole] as number)) >> (8 - rest) === 0;
}
