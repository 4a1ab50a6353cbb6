/** Addresses: parsing, formatting, and IP addresses as bytes. */

import { UsageError } from '../kernel/errors.ts';
import { checkInteger, checkKeys, show, wrongType } from '../support/checks.ts';
import type { Endpoint } from '../world/network.ts';

/**
 * 25000, '127.0.0.1:25000', '[::1]:80', 'example.org:80', '/run/x.sock', { host, port }, { path }.
 * The host may be absent, as in { port } or ':25000', but an empty `host` is an error.
 * A text that begins with / ./ or ../ is the path of a Unix socket. '@name' is an abstract name
 * (Linux), the same as { path: '\0name' }. A zone names an interface: '[fe80::1%eth0]:80'.
 * { fd: 3 } is a listening socket that the process has inherited as a descriptor, with an optional
 * name for display. Only `listen` and `tcpServer` accept it.
 */
export type Address =
  | number
  | string
  | { readonly host?: string; readonly port: number; readonly path?: undefined }
  | { readonly path: string }
  | { readonly fd: number; readonly name?: string }
  | SocketAddress;

/** A parsed address, before the look-up of names. `host` '' means that none was given. */
export type ParsedAddress =
  | { readonly host: string; readonly port: number; readonly path?: undefined }
  | { readonly path: string };

const ADDRESS_KEYS = { host: true, port: true, path: true, family: true } as const;

/** An end of a connection, or the address that a listener is bound to. */
export class SocketAddress {
  /** The IP address; '' for a Unix socket. */
  readonly host: string;
  /** The port; 0 for a Unix socket. */
  readonly port: number;
  readonly family: 'IPv4' | 'IPv6' | 'unix';
  /** The path of a Unix socket: '' for an unnamed one, '\0name' for an abstract one. `undefined`
   *  for TCP. */
  readonly path: string | undefined;

  constructor(endpoint: Endpoint) {
    if ('path' in endpoint) {
      this.host = '';
      this.port = 0;
      this.family = 'unix';
      this.path = endpoint.path;
    } else {
      this.host = endpoint.host;
      this.port = endpoint.port;
      this.family = endpoint.family === 6 ? 'IPv6' : 'IPv4';
      this.path = undefined;
    }
  }

  /** '127.0.0.1:25000', '[::1]:80', '/run/x.sock', '@name': a form that `parseAddress` accepts. */
  toString(): string {
    return formatAddress(this as ParsedAddress);
  }
}

/** The text form of an address, which `parseAddress` accepts. */
export function formatAddress(address: ParsedAddress): string {
  if ('path' in address && address.path !== undefined) return formatPath(address.path);
  const { host, port } = address;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A relative path gets the prefix './', because it could be read as another form. */
function formatPath(path: string): string {
  if (path.startsWith('\0')) return `@${path.slice(1)}`;
  const isPlain = path === '' || path.startsWith('\\') || isPath(path);
  return isPlain ? path : `./${path}`;
}

/**
 * Parses an address. Errors: TypeError or RangeError for a value of the wrong type or range,
 * ERR_ADDRESS for an invalid address.
 */
export function parseAddress(address: Address): ParsedAddress {
  if (typeof address === 'number') return atPort('', address);
  if (typeof address === 'string') return parseText(address);
  if (typeof address !== 'object' || address === null) {
    throw wrongType('address', 'a port, a text or an object', address);
  }
  if (inheritedFd(address) !== undefined) throw onlyListens(address);
  checkKeys('address', address, ADDRESS_KEYS);
  if ('path' in address && address.path !== undefined) return atPath(address.path);
  if (!('port' in address)) throw noAddress(address);
  const { host, port } = address;
  if (host === undefined) return atPort('', port);
  if (typeof host !== 'string') throw wrongType('address.host', 'a string', host);
  if (host === '') throw emptyHost(port);
  if (!isHost(host)) throw noAddress(host);
  return atPort(host, port);
}

/**
 * The descriptor of { fd }, an inherited listener; `undefined` for every other form of address.
 * Errors: TypeError, RangeError.
 */
export function inheritedFd(address: Address): number | undefined {
  if (typeof address !== 'object' || address === null || !('fd' in address)) return undefined;
  checkKeys('address', address, { fd: true, name: true });
  checkInteger('address.fd', address.fd, 0, 2 ** 31 - 1);
  return address.fd;
}

/** Throws for an address that `listen` would reject. */
export function checkListenAddress(address: Address): void {
  if (inheritedFd(address) === undefined) parseAddress(address);
}

function parseText(text: string): ParsedAddress {
  if (text.startsWith('@')) return atPath(`\0${text.slice(1)}`);
  if (isPath(text)) return atPath(text);
  if (/^\d+$/.test(text)) return atPort('', Number(text));
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(text);
  if (match === null) throw noAddress(text);
  const [, bracketed, plain = '', port] = match;
  const host = bracketed ?? plain;
  if (bracketed === undefined ? !isHost(host) : ipFamily(host) !== 6) throw noAddress(text);
  return atPort(host, Number(port));
}

function atPort(host: string, port: number): ParsedAddress {
  checkInteger('port', port, 0, 65535);
  return { host, port };
}

/** NUL is invalid within a path: the system takes it for the end, and libuv rejects it in names. */
function atPath(path: string): ParsedAddress {
  if (typeof path !== 'string') throw wrongType('address.path', 'a string', path);
  if (path === '' || path === '\0' || path.includes('\0', 1)) throw noAddress(path);
  return { path };
}

function noAddress(got: unknown): UsageError {
  return new UsageError(
    'ERR_ADDRESS',
    `Expected an address such as 25000, '127.0.0.1:25000', '[::1]:80' or '/run/x.sock', got ` +
      show(got) +
      (typeof got === 'string' ? hintFor(got) : ''),
  );
}

/** The usual mistakes in a text that is nearly an address; '' for any other text. */
function hintFor(text: string): string {
  const [, head = '', port] = /^(.+):(\d+)$/.exec(text) ?? [];
  if (ipFamily(head) === 6) return correction('Brackets are missing', head, port);
  if (ipFamily(text) === 6) return correction('Brackets and a port are missing', text);
  const host = /^(?:\[(.+)\]|([^:]+)):?$/.exec(text);
  const name = host?.[1] ?? host?.[2] ?? '';
  const isName = host?.[1] === undefined && /[^-+.\d]/.test(name) && isHost(name);
  return isName || ipFamily(name) !== 0 ? correction('A port is missing', name) : '';
}

function correction(mistake: string, host: string, port = '80'): string {
  return `. ${mistake}.\n  right:  '${formatAddress({ host, port: Number(port) })}'`;
}

/** A setting that is empty must not open the port on all interfaces. */
function emptyHost(port: number): UsageError {
  return new UsageError(
    'ERR_ADDRESS',
    "Expected `address.host` to be a name or an IP address, got ''. Omit it for all interfaces.\n" +
      `  right:  { port: ${port} }`,
  );
}

function onlyListens(address: unknown): UsageError {
  return new UsageError(
    'ERR_ADDRESS',
    `Expected an address to connect to or to bind, got ${show(address)}: an inherited descriptor ` +
      'is a listener.\n  right:  listen({ fd: 3 })',
  );
}

function isPath(text: string): boolean {
  return /^\.{0,2}\//.test(text);
}

/**
 * True for an IP address, and for a text that may be a name. False for a text with a colon that is
 * not an IPv6 address, for an invalid IPv4 address (no name ends in a number, RFC 3696, section 2),
 * and for characters that no name has and that indicate another mistake (a URL, a space).
 */
function isHost(host: string): boolean {
  if (ipFamily(host) !== 0) return true;
  return !/[\s\p{Cc}:/\\@[\]%]/u.test(host) && !/^\d+(\.\d+){3,}\.?$/.test(host);
}

/** 4 or 6 for an IP address, 0 for any other text. */
export function ipFamily(host: string): 0 | 4 | 6 {
  if (isIpv4(host)) return 4;
  return isIpv6(host) ? 6 : 0;
}

/** Four decimal numbers. A leading zero is invalid: some read it as octal (RFC 6943, 3.1.1). */
function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return (
    parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && +part < 256)
  );
}

/** RFC 4291, section 2.2, with an RFC 4007 zone. */
function isIpv6(text: string): boolean {
  const [address = '', zone, ...more] = text.split('%');
  if (more.length > 0 || zone === '' || /[\s\0/[\]]/.test(zone ?? '')) return false;
  const halves = address.split('::');
  if (halves.length > 2) return false;
  const groups = halves.map((half, at) => groupsOf(half, at === halves.length - 1));
  const total = groups.reduce((sum, count) => sum + count, 0);
  return halves.length === 2 ? total <= 7 : total === 8;
}

/** The number of 16-bit groups in `text`. An IPv4 address at the end is two. NaN: invalid. */
function groupsOf(text: string, mayEndInIpv4: boolean): number {
  if (text === '') return 0;
  const groups = text.split(':');
  const tail = mayEndInIpv4 && isIpv4(groups.at(-1) as string) ? groups.pop() : undefined;
  if (!groups.every((group) => /^[\da-f]{1,4}$/i.test(group))) return Number.NaN;
  return groups.length + (tail === undefined ? 0 : 2);
}

// ---- IP addresses as bytes: the text has been validated ----

/** Four bytes as '192.0.2.1'. */
export function ipv4Text(bytes: Uint8Array): string {
  return bytes.join('.');
}

/**
 * Sixteen bytes in the form of RFC 5952: lower case, the first of the longest runs of zeros as '::'
 * (but not a single zero), and the IPv4 part of an IPv4-mapped address in decimal.
 */
export function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, index) => {
    return ((bytes[2 * index] as number) << 8) | (bytes[2 * index + 1] as number);
  });
  const [start, length] = longestZeros(groups);
  const isMapped = start === 0 && length === 5 && groups[5] === 0xffff;
  if (isMapped) return `::ffff:${ipv4Text(bytes.subarray(12))}`;
  const text = (part: readonly number[]): string =>
    part.map((group) => group.toString(16)).join(':');
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function longestZeros(groups: readonly number[]): readonly [number, number] {
  let best: readonly [number, number] = [0, 0];
  let start = 0;
  for (let at = 0; at <= groups.length; at++) {
    if (groups[at] === 0) continue;
    if (at - start > best[1]) best = [start, at - start];
    start = at + 1;
  }
  return best;
}

/** Sixteen bytes. An IPv4 address becomes IPv4-mapped (RFC 4291, 2.5.5.2). A zone is ignored. */
export function ipBytes(host: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const [address = ''] = host.split('%');
  if (!address.includes(':')) {
    bytes.set([0xff, 0xff, ...address.split('.').map(Number)], 10);
    return bytes;
  }
  const [head = [], tail] = address.split('::').map(bytesOfGroups);
  bytes.set(head);
  if (tail !== undefined) bytes.set(tail, 16 - tail.length);
  return bytes;
}

function bytesOfGroups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
