/**
 * The PROXY protocol, versions 1 and 2: the header with which a proxy says for whom it connects.
 * After the specification by Willy Tarreau, "The PROXY protocol, Versions 1 & 2", 2020
 * (haproxy.org, doc/proxy-protocol.txt); the section numbers below are those of it.
 *
 * Pure: bytes in, a header out. Nothing that a peer sends makes it throw, and no byte behind the
 * header is touched.
 */

import type { Endpoint } from '../../world/network.ts';
import { ipFamily, ipv4Text, ipv6Text, SocketAddress } from '../address.ts';

/** Section 2.2: no version 1 header begins like that, and no other protocol should. */
const SIGNATURE: Buffer = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Signature, version and command, family, length. */
const FIXED = 16;
/** Section 2.1. */
const LINE_BEGIN: Buffer = Buffer.from('PROXY ', 'latin1');
const SHORTEST_LINE = 'PROXY UNKNOWN\r\n'.length;
const LONGEST_LINE = 107;
const NEWLINE = 10;
const RETURN = 13;

/** The families of section 2.2, by the high bits of the fourteenth byte. */
const INET = 1;
const INET6 = 2;
const UNIX = 3;
/** Bytes of the addresses of a family. */
const ADDRESSES: readonly number[] = [0, 12, 36, 216];
/** Bytes of one path. */
const PATH = 108;

/** PP2_TYPE_CRC32C, section 2.2.3: over the whole header, with these four bytes being 0. */
const TYPE_CRC32C = 0x03;

/** A further field of version 2, section 2.2: what it means is up to its type. */
export interface ProxyField {
  readonly type: number;
  readonly value: Buffer;
}

/** What a proxy has said. */
export interface ProxyHeader extends ParsedProxyHeader {
  /** The proxy itself. */
  readonly proxy: SocketAddress;
}

/** What a header has in it. */
export interface ParsedProxyHeader {
  readonly version: 1 | 2;
  /** True: the proxy speaks for itself (a health check), or cannot tell for whom. */
  readonly local: boolean;
  /** The real peer; `undefined` where `local` is true or the family is none that we know. */
  readonly source: SocketAddress | undefined;
  /** Where the peer connected to. */
  readonly destination: SocketAddress | undefined;
  readonly fields: readonly ProxyField[];
}

/** What the first bytes of a connection are. */
export type ProxyParse =
  /** So far a header, of which at least `atLeast` bytes are part: reading so many takes nothing
   *  that is behind it. */
  | { readonly kind: 'more'; readonly atLeast: number }
  /** A header of `length` bytes. */
  | { readonly kind: 'header'; readonly length: number; readonly header: ParsedProxyHeader }
  /** No header: these bytes belong to another protocol. */
  | { readonly kind: 'absent' }
  /** The beginning of a header, and then something else. */
  | { readonly kind: 'wrong'; readonly why: string };

/**
 * Looks at the bytes from the beginning of a connection. `most` bounds the length of a header of
 * version 2; one of version 1 has 107 bytes at most by itself.
 */
export function parseProxyHeader(bytes: Buffer, most: number): ProxyParse {
  if (bytes.length === 0) return { kind: 'more', atLeast: SHORTEST_LINE };
  if (matchesPrefix(bytes, SIGNATURE)) return parseBinary(bytes, most);
  if (matchesPrefix(bytes, LINE_BEGIN)) return parseLine(bytes);
  return { kind: 'absent' };
}

/** True if `bytes` begin with `text`, or with as much of it as they have. */
function matchesPrefix(bytes: Buffer, text: Buffer): boolean {
  const length = Math.min(bytes.length, text.length);
  return bytes.compare(text, 0, length, 0, length) === 0;
}

function invalid(why: string): ProxyParse {
  return { kind: 'wrong', why };
}

/** What is known of the peer, or that the proxy speaks for itself. */
function parsedHeader(
  version: 1 | 2,
  ends: readonly [Endpoint, Endpoint] | undefined,
  fields: readonly ProxyField[] = [],
): ParsedProxyHeader {
  const [source, destination] = ends?.map((end) => new SocketAddress(end)) ?? [];
  return { version, local: ends === undefined, source, destination, fields };
}

// ---- version 1, section 2.1 ----

function parseLine(bytes: Buffer): ProxyParse {
  const line = bytes.subarray(0, LONGEST_LINE);
  const end = line.indexOf(NEWLINE);
  if (end >= 0 && line[end - 1] !== RETURN)
    return invalid('the line ends without a carriage return');
  if (end < 0 && line.length === LONGEST_LINE)
    return invalid(`the line is over ${LONGEST_LINE} bytes`);
  if (end < 0) return { kind: 'more', atLeast: line.length + missingBytes(line) };
  const header = lineHeader(line.toString('latin1', 0, end - 1));
  return typeof header === 'string' ? invalid(header) : { kind: 'header', length: end + 1, header };
}

/** How many bytes the line lacks at least. The shortest address is '::', or '1.1.1.1'. */
function missingBytes(line: Buffer): number {
  if (line.length < SHORTEST_LINE) return SHORTEST_LINE - line.length;
  const ending = line[line.length - 1] === RETURN ? 1 : 2;
  const [, protocol, ...parts] = line.toString('latin1').split(' ');
  if (protocol !== 'TCP4' && protocol !== 'TCP6') return ending;
  const address = protocol === 'TCP4' ? 7 : 2;
  const begun = Math.max(0, parts.length - 1);
  const last = parts[begun]?.length ?? 0;
  return [address, address, 1, 1].reduce((sum, length, index) => {
    if (index < begun) return sum;
    return sum + (index === begun ? Math.max(0, length - last) : 1 + length);
  }, ending);
}

/** Exactly one space between the parts; behind UNKNOWN anything is passed over. */
function lineHeader(line: string): ParsedProxyHeader | string {
  if (/^PROXY UNKNOWN(?: .*)?$/.test(line)) return parsedHeader(1, undefined);
  const [, protocol, source = '', destination = '', from = '', to = '', ...more] = line.split(' ');
  if (protocol !== 'TCP4' && protocol !== 'TCP6')
    return 'the protocol is not TCP4, TCP6 or UNKNOWN';
  if (more.length > 0) return 'there is something behind the last port';
  const family = protocol === 'TCP4' ? 4 : 6;
  const far = lineEndpoint(source, from, family);
  const near = lineEndpoint(destination, to, family);
  if (far === undefined || near === undefined)
    return `an address or a port is not one of ${protocol}`;
  return parsedHeader(1, [far, near]);
}

function lineEndpoint(host: string, port: string, family: 4 | 6): Endpoint | undefined {
  const isPort = /^(?:0|[1-9]\d{0,4})$/.test(port) && Number(port) <= 65535;
  const isHost = !host.includes('%') && ipFamily(host) === family;
  return isPort && isHost ? { host, port: Number(port), family } : undefined;
}

// ---- version 2, section 2.2 ----

function parseBinary(bytes: Buffer, most: number): ProxyParse {
  if (bytes.length < FIXED) return { kind: 'more', atLeast: FIXED };
  const command = bytes.readUInt8(12);
  if (command !== 0x20 && command !== 0x21) return invalid('the version or the command is unknown');
  const length = FIXED + bytes.readUInt16BE(14);
  if (length > most) return invalid(`the header is ${length} bytes long, ${most} are allowed`);
  if (bytes.length < length) return { kind: 'more', atLeast: length };
  // A proxy that speaks for itself: what it says of addresses is passed over, whatever it is.
  const header =
    command === 0x20 ? parsedHeader(2, undefined) : binaryHeader(bytes.subarray(0, length));
  return typeof header === 'string' ? invalid(header) : { kind: 'header', length, header };
}

function binaryHeader(bytes: Buffer): ParsedProxyHeader | string {
  const family = bytes.readUInt8(13) >> 4;
  const protocol = bytes.readUInt8(13) & 0x0f;
  const size = ADDRESSES[family];
  if (size === undefined || protocol > 2) return 'the family or the protocol is unknown';
  if (bytes.length < FIXED + size) return 'the header is too short for its addresses';
  const fields = fieldsOf(bytes, FIXED + size);
  if (typeof fields === 'string') return fields;
  return parsedHeader(2, binaryEndpoints(bytes.subarray(FIXED), family), fields);
}

/** Both addresses, then both ports; of Unix sockets two paths. */
function binaryEndpoints(block: Buffer, family: number): readonly [Endpoint, Endpoint] | undefined {
  if (family === UNIX) return [pathAt(block, 0), pathAt(block, PATH)];
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

/** An abstract name begins with a NUL byte and, here, ends with the next one. */
function pathAt(block: Buffer, start: number): Endpoint {
  const bytes = block.subarray(start, start + PATH);
  const end = bytes.indexOf(0, 1);
  const path = bytes.toString('utf8', 0, end < 0 ? PATH : end);
  return { path: path === '\0' ? '' : path };
}

/** The fields up to the end of the header, if they fill it exactly and the checksum is right. */
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

/** CRC-32C (Castagnoli), RFC 3720, appendix B.4: reflected, with 0x1EDC6F41 as polynomial. */

const REFLECTED_POLYNOMIAL = 0x82f63b78;

const CRC32C_TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++)
    value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ REFLECTED_POLYNOMIAL;
  return value;
});

/** The checksum of the pieces, one behind the other. */
export function crc32c(...pieces: readonly Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const piece of pieces) {
    for (const byte of piece) crc = (CRC32C_TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
