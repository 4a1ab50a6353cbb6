/**
 * The PROXY protocol, versions 1 and 2: the header with which a proxy reports the client that it
 * connects for. Specification: Willy Tarreau, "The PROXY protocol, Versions 1 & 2", 2020
 * (haproxy.org, doc/proxy-protocol.txt). Section numbers below refer to it.
 *
 * The parser is a pure function from bytes to a header. No input makes it throw, and `atLeast`
 * never exceeds the end of the header. encode.ts is its inverse.
 */

import type { Endpoint } from '../../world/network.ts';
import { ipFamily, ipv4Text, ipv6Text, SocketAddress } from '../address.ts';

/** The first bytes of version 2 (section 2.2). No other protocol should start with them. */
export const SIGNATURE: Buffer = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Bytes of the fixed part: signature, version and command, family, length. */
export const FIXED_BYTES = 16;
/** The first bytes of version 1 (section 2.1). */
const LINE_PREFIX: Buffer = Buffer.from('PROXY ', 'latin1');
const MIN_LINE_BYTES = 'PROXY UNKNOWN\r\n'.length;
const MAX_LINE_BYTES = 107;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** Address families (section 2.2): the high bits of the fourteenth byte. */
export const INET = 1;
export const INET6 = 2;
export const UNIX = 3;
/** The number of address bytes, by family. */
export const ADDRESS_BYTES: readonly number[] = [0, 12, 36, 216];
/** The number of bytes of a path. */
export const PATH_BYTES = 108;

/** PP2_TYPE_CRC32C (section 2.2.3): computed over the whole header, with 0 in these four bytes. */
export const TYPE_CRC32C = 0x03;

/** An additional field of a version 2 PROXY header. Its type defines its meaning (section 2.2). */
export interface ProxyField {
  readonly type: number;
  readonly value: Buffer;
}

/** The PROXY header of a connection, and the address of the proxy that sent it. */
export interface ProxyHeader extends ParsedProxyHeader {
  /** The proxy itself. */
  readonly proxy: SocketAddress;
}

/** A parsed header. */
export interface ParsedProxyHeader {
  readonly version: 1 | 2;
  /** True: the proxy connects for itself (a health check), or does not report its client. */
  readonly local: boolean;
  /** The client. `undefined` if `local` is true or the address family is not supported. */
  readonly source: SocketAddress | undefined;
  /** The address that the client connected to. */
  readonly destination: SocketAddress | undefined;
  readonly fields: readonly ProxyField[];
}

/** The result of parsing the first bytes of a connection. */
export type ProxyParse =
  /** The beginning of a header. The header has at least `atLeast` bytes, so it is safe to read that
   *  many. */
  | { readonly kind: 'more'; readonly atLeast: number }
  /** A header of `length` bytes. */
  | { readonly kind: 'header'; readonly length: number; readonly header: ParsedProxyHeader }
  /** Another protocol. */
  | { readonly kind: 'absent' }
  /** An invalid header. */
  | { readonly kind: 'invalid'; readonly why: string };

/**
 * Parses the first bytes of a connection. `maxLength` limits the length of a version 2 header. A
 * version 1 header has at most 107 bytes.
 */
export function parseProxyHeader(bytes: Buffer, maxLength: number): ProxyParse {
  if (bytes.length === 0) return { kind: 'more', atLeast: MIN_LINE_BYTES };
  if (matchesPrefix(bytes, SIGNATURE)) return parseBinary(bytes, maxLength);
  if (matchesPrefix(bytes, LINE_PREFIX)) return parseLine(bytes);
  return { kind: 'absent' };
}

/** True if `bytes` begin with `text`, or are the beginning of it. */
function matchesPrefix(bytes: Buffer, text: Buffer): boolean {
  const length = Math.min(bytes.length, text.length);
  return bytes.compare(text, 0, length, 0, length) === 0;
}

function invalid(why: string): ProxyParse {
  return { kind: 'invalid', why };
}

/** Without `endpoints`, the proxy connects for itself. */
function parsedHeader(
  version: 1 | 2,
  endpoints: readonly [Endpoint, Endpoint] | undefined,
  fields: readonly ProxyField[] = [],
): ParsedProxyHeader {
  const [source, destination] = endpoints?.map((each) => new SocketAddress(each)) ?? [];
  return { version, local: endpoints === undefined, source, destination, fields };
}

// ---- version 1, section 2.1 ----

function parseLine(bytes: Buffer): ProxyParse {
  const line = bytes.subarray(0, MAX_LINE_BYTES);
  const end = line.indexOf(NEWLINE);
  if (end >= 0 && line[end - 1] !== CARRIAGE_RETURN)
    return invalid('the line ends without a carriage return');
  if (end < 0 && line.length === MAX_LINE_BYTES)
    return invalid(`the line is over ${MAX_LINE_BYTES} bytes`);
  if (end < 0) return { kind: 'more', atLeast: line.length + missingBytes(line) };
  const header = lineHeader(line.toString('latin1', 0, end - 1));
  return typeof header === 'string' ? invalid(header) : { kind: 'header', length: end + 1, header };
}

/** The minimum number of bytes that the line lacks. The shortest addresses: '::', '1.1.1.1'. */
function missingBytes(line: Buffer): number {
  if (line.length < MIN_LINE_BYTES) return MIN_LINE_BYTES - line.length;
  const ending = line[line.length - 1] === CARRIAGE_RETURN ? 1 : 2;
  const [, protocol, ...parts] = line.toString('latin1').split(' ');
  if (protocol !== 'TCP4' && protocol !== 'TCP6') return ending;
  const address = protocol === 'TCP4' ? 7 : 2;
  const current = Math.max(0, parts.length - 1);
  const last = parts[current]?.length ?? 0;
  return [address, address, 1, 1].reduce((sum, length, index) => {
    if (index < current) return sum;
    return sum + (index === current ? Math.max(0, length - last) : 1 + length);
  }, ending);
}

/** The parts are separated by exactly one space. After UNKNOWN the rest is ignored. */
function lineHeader(line: string): ParsedProxyHeader | string {
  if (/^PROXY UNKNOWN(?: .*)?$/.test(line)) return parsedHeader(1, undefined);
  const [protocol, source = '', destination = '', ...ports] = line.split(' ').slice(1);
  if (protocol !== 'TCP4' && protocol !== 'TCP6')
    return 'the protocol is not TCP4, TCP6 or UNKNOWN';
  if (ports.length > 2) return 'there is text after the last port';
  const family = protocol === 'TCP4' ? 4 : 6;
  const client = lineEndpoint(source, ports[0] ?? '', family);
  const target = lineEndpoint(destination, ports[1] ?? '', family);
  if (client === undefined || target === undefined)
    return `an address or a port is not valid for ${protocol}`;
  return parsedHeader(1, [client, target]);
}

function lineEndpoint(host: string, port: string, family: 4 | 6): Endpoint | undefined {
  const isPort = /^(?:0|[1-9]\d{0,4})$/.test(port) && Number(port) <= 65535;
  const isHost = !host.includes('%') && ipFamily(host) === family;
  return isPort && isHost ? { host, port: Number(port), family } : undefined;
}

// ---- version 2, section 2.2 ----

function parseBinary(bytes: Buffer, maxLength: number): ProxyParse {
  if (bytes.length < FIXED_BYTES) return { kind: 'more', atLeast: FIXED_BYTES };
  const command = bytes.readUInt8(12);
  if (command !== 0x20 && command !== 0x21) return invalid('the version or the command is unknown');
  const length = FIXED_BYTES + bytes.readUInt16BE(14);
  if (length > maxLength)
    return invalid(`the header is ${length} bytes long, ${maxLength} are allowed`);
  if (bytes.length < length) return { kind: 'more', atLeast: length };
  // The addresses of a proxy that connects for itself are ignored.
  const header =
    command === 0x20 ? parsedHeader(2, undefined) : binaryHeader(bytes.subarray(0, length));
  return typeof header === 'string' ? invalid(header) : { kind: 'header', length, header };
}

function binaryHeader(bytes: Buffer): ParsedProxyHeader | string {
  const family = bytes.readUInt8(13) >> 4;
  const protocol = bytes.readUInt8(13) & 0x0f;
  const size = ADDRESS_BYTES[family];
  if (size === undefined || protocol > 2) return 'the family or the protocol is unknown';
  if (bytes.length < FIXED_BYTES + size) return 'the header is too short for its addresses';
  const fields = fieldsOf(bytes, FIXED_BYTES + size);
  if (typeof fields === 'string') return fields;
  return parsedHeader(2, binaryEndpoints(bytes.subarray(FIXED_BYTES), family), fields);
}

/** Both addresses, then both ports. For Unix sockets: two paths. */
function binaryEndpoints(block: Buffer, family: number): readonly [Endpoint, Endpoint] | undefined {
  if (family === UNIX) return [pathAt(block, 0), pathAt(block, PATH_BYTES)];
  if (family !== INET && family !== INET6) return undefined;
  const size = family === INET ? 4 : 16;
  const end = (index: number): Endpoint => {
    const address = block.subarray(index * size, (index + 1) * size);
    const port = block.readUInt16BE(2 * size + 2 * index);
    if (family === INET) return { host: ipv4Text(address), port, family: 4 };
    return { host: ipv6Text(address), port, family: 6 };
  };
  return [end(0), end(1)];
}

/** A path ends with a NUL byte. An abstract name also begins with one. */
function pathAt(block: Buffer, start: number): Endpoint {
  const bytes = block.subarray(start, start + PATH_BYTES);
  const end = bytes.indexOf(0, 1);
  const path = bytes.toString('utf8', 0, end < 0 ? PATH_BYTES : end);
  return { path: path === '\0' ? '' : path };
}

/** The fields. They must fill the header exactly, and the checksum must be correct. */
function fieldsOf(header: Buffer, start: number): readonly ProxyField[] | string {
  const fields: ProxyField[] = [];
  let at = start;
  while (at < header.length) {
    if (header.length - at < 3) return 'a field is cut off';
    const type = header.readUInt8(at);
    const from = at + 3;
    at = from + header.readUInt16BE(at + 1);
    if (at > header.length) return 'a field is cut off';
    if (type === TYPE_CRC32C && !isIntact(header, from, at)) return 'the checksum is wrong';
    fields.push({ type, value: Buffer.from(header.subarray(from, at)) });
  }
  return fields;
}

function isIntact(header: Buffer, from: number, to: number): boolean {
  if (to - from !== 4) return false;
  const sum = crc32c(header.subarray(0, from), new Uint8Array(4), header.subarray(to));
  return sum === header.readUInt32BE(from);
}

/** CRC-32C (Castagnoli), RFC 3720, appendix B.4: the polynomial 0x1EDC6F41, reflected. */
const REFLECTED_POLYNOMIAL = 0x82f63b78;

const CRC32C_TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++)
    value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ REFLECTED_POLYNOMIAL;
  return value;
});

/** The checksum of the concatenated pieces. */
export function crc32c(...pieces: readonly Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const piece of pieces) {
    for (const byte of piece) crc = (CRC32C_TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
