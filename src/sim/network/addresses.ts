/**
 * IP addresses of the simulated network: host N has 10.0.0.N and fd00::N, and every host has its
 * own loopback (127.0.0.0/8 and ::1).
 */
import type { Endpoint } from '../../world/network.ts';

/** An address and a port. */
export type IpEndpoint = Exclude<Endpoint, { readonly path: string }>;

/** The address of a socket that is not bound yet, and of a Unix socket without a name. */
export const NOWHERE: Endpoint = { path: '' };

const MAPPED = '::ffff:';

/** The addresses of host number `index`, counting from 1. */
export function addressesOf(index: number): { readonly v4: string; readonly v6: string } {
  const v4 = `10.${(index >>> 16) & 255}.${(index >>> 8) & 255}.${index & 255}`;
  return { v4, v6: `fd00::${index.toString(16)}` };
}

/** True for an address on the network of all hosts. */
export function isOnNetwork(host: string): boolean {
  return host.startsWith('10.') || host.startsWith('fd00::');
}

export function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.');
}

export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** As a destination, the wildcard address means this host (ip(7)). */
export function withoutWildcard(endpoint: IpEndpoint): IpEndpoint {
  return isWildcard(endpoint.host) ? { ...endpoint, host: loopbackOf(endpoint) } : endpoint;
}

/** The loopback address of the family. */
export function loopbackOf({ family }: IpEndpoint): string {
  return family === 4 ? '127.0.0.1' : '::1';
}

/** The limited broadcast address, and those of the loopback and the network (RFC 919). */
export function isBroadcast(host: string): boolean {
  return host === '255.255.255.255' || host === '127.255.255.255' || host === '10.255.255.255';
}

/** 224.0.0.0/4 (RFC 5771) and ff00::/8 (RFC 4291). */
export function isMulticast(host: string): boolean {
  const first = Number.parseInt(host, 10);
  return host.includes(':') ? /^ff/i.test(host) : first >= 224 && first < 240;
}

/** True for an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2). */
export function isMapped(host: string): boolean {
  return host.includes(':') && shortest(host).startsWith(MAPPED);
}

/** `canonical` for an address without a port. */
export function canonicalHost(host: string): string {
  return canonical({ host, port: 0, family: host.includes(':') ? 6 : 4 }).host;
}

/**
 * The canonical form of an address: equal addresses have equal texts ('0:0:0:0:0:0:0:1' is '::1'),
 * and an IPv4-mapped address ('::ffff:10.0.0.1') becomes an IPv4 address.
 */
export function canonical(endpoint: IpEndpoint): IpEndpoint {
  const { host, port, family } = endpoint;
  if (family === 4) return endpoint;
  const text = shortest(host);
  if (!text.startsWith(MAPPED)) return text === host ? endpoint : { host: text, port, family };
  return { host: text.slice(MAPPED.length), port, family: 4 };
}

/** The IPv4-mapped address that a dual-stack listener reports (RFC 4291, section 2.5.5.2). */
export function mapped({ host, port }: IpEndpoint): IpEndpoint {
  return { host: MAPPED + host, port, family: 6 };
}

/** The text of RFC 5952: lower case, no leading zeros, '::' for the longest run of zeros. */
function shortest(host: string): string {
  if (host === '::' || host === '::1') return host;
  const text = host.toLowerCase().replace(/%.*$/, '');
  const url = `http://[${text}]`;
  if (!URL.canParse(url)) return text;
  const short = new URL(url).hostname.slice(1, -1);
  const groups = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(short)?.slice(1);
  return groups === undefined ? short : MAPPED + groups.map(dottedPair).join('.');
}

/** 'a00' is '10.0'. */
function dottedPair(group: string): string {
  const number = Number.parseInt(group, 16);
  return `${number >>> 8}.${number & 255}`;
}

/** "10.0.0.1:25000", "[fd00::1]:25000", "/run/x.sock", "@abstract". */
export function endpointText(endpoint: Endpoint): string {
  if ('path' in endpoint) return endpoint.path.replace(/^\0/, '@');
  const { host, port, family } = endpoint;
  return family === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
