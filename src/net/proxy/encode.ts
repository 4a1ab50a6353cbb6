/**
 * The PROXY header that `connect` sends. header.ts is the parser, and names the specification, to
 * which section numbers refer.
 */

import { UsageError } from '../../kernel/errors.ts';
import type { Keys } from '../../support/checks.ts';
import { checkInteger, checkKeys, outOfRange, wrongType } from '../../support/checks.ts';
import type { Endpoint } from '../../world/network.ts';
import type { Address } from '../address.ts';
import { ipBytes, ipFamily, ipv6Text, parseAddress } from '../address.ts';
import { checkBytes } from '../bytes.ts';
import type { ProxyField } from './header.ts';
import {
  ADDRESS_BYTES,
  crc32c,
  FIXED_BYTES,
  INET,
  INET6,
  PATH_BYTES,
  SIGNATURE,
  TYPE_CRC32C,
  UNIX,
} from './header.ts';

/** The length of a version 2 header after its fixed part has two bytes (section 2.2). */
const MAX_BODY_BYTES = 0xffff;

/**
 * The `proxyProtocol` option of `connect`: the PROXY header that it sends. Without addresses, it
 * states that the proxy connects for itself (LOCAL in version 2, UNKNOWN in version 1), for example
 * to check the health of the server.
 */
export interface ProxyHeaderOptions {
  /** 1: a line of text, which states IP addresses only; for Unix sockets it is UNKNOWN.
   *  2: binary, the default. */
  readonly version?: 1 | 2;
  /** The client, usually `socket.remoteAddress`: an IP address with a port, or a Unix socket. */
  readonly source?: Address;
  /** The address that the client connected to, usually `socket.localAddress`. */
  readonly destination?: Address;
  /** Additional fields, for version 2 with addresses, at most 65 KB. If they contain a checksum
   *  (type 3), it is replaced by that of this header, which comes last. */
  readonly fields?: readonly ProxyField[];
}

const OPTIONS_KEYS: Keys<ProxyHeaderOptions> = {
  version: true,
  source: true,
  destination: true,
  fields: true,
};
const FIELD_KEYS: Keys<ProxyField> = { type: true, value: true };

/** Encodes a header. Errors: TypeError, RangeError, ERR_ADDRESS. */
export function encodeProxyHeader(options: ProxyHeaderOptions): Buffer {
  checkKeys('proxyProtocol', options, OPTIONS_KEYS);
  const { version = 2, fields = [] } = options;
  if (version !== 1 && version !== 2) throw outOfRange('proxyProtocol.version', '1 or 2', version);
  const addresses = addressesOf(options);
  checkFields(fields);
  if (fields.length > 0 && (version === 1 || addresses === undefined)) {
    throw wrongType('proxyProtocol.fields', 'absent in version 1 and without addresses', fields);
  }
  return version === 1 ? encodeLine(addresses) : encodeBinary(addresses, fields);
}

function checkFields(fields: readonly ProxyField[]): void {
  const name = 'proxyProtocol.fields';
  if (!Array.isArray(fields)) throw wrongType(name, 'an array of { type, value }', fields);
  fields.forEach((field: ProxyField, index) => {
    checkKeys(`${name}[${index}]`, field, FIELD_KEYS);
    checkInteger(`${name}[${index}].type`, field.type, 0, 255);
    checkBytes(`${name}[${index}].value`, field.value);
  });
  const length = fields.reduce((sum, { value }) => sum + 3 + value.length, 0);
  const most = MAX_BODY_BYTES - Math.max(...ADDRESS_BYTES);
  if (length > most) throw outOfRange(name, `${most} bytes at most`, length);
}

// ---- addresses ----

/** Source and destination, and the address family of the header. */
interface HeaderAddresses {
  readonly family: number;
  readonly ends: readonly [Endpoint, Endpoint];
}

/** The family for an IPv4 and an IPv6 address is IPv6: the first one becomes IPv4-mapped. */
function addressesOf({ source, destination }: ProxyHeaderOptions): HeaderAddresses | undefined {
  if (source === undefined && destination === undefined) return undefined;
  const ends = [endAt('source', source), endAt('destination', destination)] as const;
  const [from, to] = [familyOf(ends[0]), familyOf(ends[1])];
  if (from !== to && (from === UNIX || to === UNIX)) throw mixedFamilies();
  return { family: Math.max(from, to), ends };
}

function familyOf(end: Endpoint): number {
  if ('path' in end) return UNIX;
  return end.family === 4 ? INET : INET6;
}

function endAt(name: 'source' | 'destination', address: Address | undefined): Endpoint {
  const option = `proxyProtocol.${name}`;
  if (address === undefined) throw wrongType(option, 'an address, as the other one is', address);
  if (isUnnamed(address)) return { path: '' };
  const parsed = parseAddress(address);
  if (parsed.path !== undefined) {
    if (Buffer.byteLength(parsed.path) <= PATH_BYTES) return { path: parsed.path };
  } else {
    const family = ipFamily(parsed.host);
    if (family !== 0) return { host: parsed.host, port: parsed.port, family };
  }
  const expected = `an IP address with a port, or a path of at most ${PATH_BYTES} bytes`;
  throw outOfRange(option, expected, address);
}

/** The client of a Unix listener usually has no name. An address to connect to needs one. */
function isUnnamed(address: Address): boolean {
  return typeof address === 'object' && (address as { path?: unknown } | null)?.path === '';
}

function mixedFamilies(): UsageError {
  return new UsageError(
    'ERR_ADDRESS',
    'Expected `proxyProtocol.source` and `proxyProtocol.destination` to be both IP addresses or ' +
      'both Unix sockets, got one of each',
  );
}

// ---- version 1, section 2.1 ----

function encodeLine(addresses: HeaderAddresses | undefined): Buffer {
  if (addresses === undefined || addresses.family === UNIX) return Buffer.from('PROXY UNKNOWN\r\n');
  const { family, ends } = addresses;
  const ips = ends as readonly IpEndpoint[];
  const hosts = ips.map(({ host }) => (family === INET ? host : ipv6Text(ipBytes(host))));
  const ports = ips.map(({ port }) => port);
  const protocol = family === INET ? 'TCP4' : 'TCP6';
  return Buffer.from(`${['PROXY', protocol, ...hosts, ...ports].join(' ')}\r\n`);
}

type IpEndpoint = Exclude<Endpoint, { readonly path: string }>;

// ---- version 2, section 2.2 ----

function encodeBinary(
  addresses: HeaderAddresses | undefined,
  fields: readonly ProxyField[],
): Buffer {
  const start = Buffer.alloc(FIXED_BYTES);
  SIGNATURE.copy(start);
  start[12] = 0x20;
  if (addresses === undefined) return start;
  // The command PROXY, and the transport protocol SOCK_STREAM.
  start[12] = 0x21;
  start[13] = (addresses.family << 4) | 1;
  const others = fields.filter(({ type }) => type !== TYPE_CRC32C);
  const isChecked = others.length < fields.length;
  const checksum = isChecked ? [{ type: TYPE_CRC32C, value: Buffer.alloc(4) }] : [];
  const encoded = [...others, ...checksum].map(encodeField);
  const header = Buffer.concat([start, encodeAddresses(addresses), ...encoded]);
  header.writeUInt16BE(header.length - FIXED_BYTES, 14);
  if (isChecked) header.writeUInt32BE(crc32c(header), header.length - 4);
  return header;
}

function encodeField({ type, value }: ProxyField): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value]);
}

/** Both addresses, then both ports. For Unix sockets: two paths, filled up with NUL bytes. */
function encodeAddresses({ family, ends }: HeaderAddresses): Buffer {
  const block = Buffer.alloc(ADDRESS_BYTES[family] as number);
  const size = family === INET ? 4 : 16;
  ends.forEach((end, index) => {
    if ('path' in end) {
      block.write(end.path, index * PATH_BYTES);
    } else {
      block.set(ipBytes(end.host).subarray(16 - size), index * size);
      block.writeUInt16BE(end.port, 2 * size + 2 * index);
    }
  });
  return block;
}
