/** Destinations of datagrams: from an address to an endpoint in the family of the socket. */

import { UsageError } from '../../kernel/errors.ts';
import type { Wait } from '../../kernel/operation.ts';
import { checkInteger, show } from '../../support/checks.ts';
import type { Endpoint } from '../../world/network.ts';
import type { Address } from '../address.ts';
import { ipFamily, parseAddress, SocketAddress } from '../address.ts';
import { resolveEndpoints } from '../resolve.ts';

/** An endpoint that is not a path. */
export type IpEndpoint = Extract<Endpoint, { readonly host: string }>;

/** A parsed destination. `host` is a name if `family` is 0. */
export interface Destination {
  readonly host: string;
  readonly port: number;
  readonly family: 0 | 4 | 6;
}

/**
 * Parses the address of a receiver. Without a host it is the loopback address of the socket's
 * family. Errors: as `parseAddress`; ERR_ADDRESS for a path; RangeError for port 0.
 */
export function parseDestination(address: Address, family: 4 | 6): Destination {
  if (address instanceof SocketAddress && address.family !== 'unix')
    return destinationOfPeer(address);
  const parsed = parseAddress(address);
  if (parsed.path !== undefined) throw pathError(parsed.path);
  checkPort(parsed.port);
  if (parsed.host === '') return { host: LOOPBACK[family], port: parsed.port, family };
  return { host: parsed.host, port: parsed.port, family: ipFamily(parsed.host) };
}

function destinationOfPeer({ host, port, family }: SocketAddress): Destination {
  checkPort(port);
  return { host, port, family: family === 'IPv6' ? 6 : 4 };
}

/** The error for a path, which UDP does not have. */
export function pathError(path: string): UsageError {
  return new UsageError(
    'ERR_ADDRESS',
    `Expected an address with a port, such as '127.0.0.1:5353', got the path ${show(path)}: ` +
      'datagrams of Unix sockets are not supported.',
  );
}

/** Port 0 is reserved (RFC 768). */
function checkPort(port: number): void {
  checkInteger('port', port, 1, 65535);
}

/**
 * The endpoint of a numeric destination in the family of the socket. An IPv6 socket gets an IPv4
 * address in its mapped form (RFC 4291, 2.5.5.2), and an IPv4 socket the reverse. Another IPv6
 * address is unchanged, and the system rejects it.
 */
export function endpointOf({ host, port, family }: Destination, socket: 4 | 6): IpEndpoint {
  if (socket === 6 && family === 4) return { host: `::ffff:${host}`, port, family: 6 };
  if (socket === 4 && family === 6) {
    const dotted = MAPPED.exec(host)?.[1];
    if (dotted !== undefined) return { host: dotted, port, family: 4 };
  }
  return { host, port, family: family === 6 ? 6 : 4 };
}

/**
 * Looks a name up, and returns the first address that a socket of the family `socket` can reach.
 * Cancel: the look-up is abandoned. Errors: ENOTFOUND, EAI_AGAIN.
 */
export function* resolveDestination(
  { host, port }: Destination,
  socket: 4 | 6,
): Generator<Wait, IpEndpoint> {
  const found = (yield* resolveEndpoints(host, port)) as readonly IpEndpoint[];
  const usable = socket === 6 ? found[0] : found.find(({ family }) => family === 4);
  return endpointOf((usable ?? found[0]) as IpEndpoint, socket);
}

const LOOPBACK = { 4: '127.0.0.1', 6: '::1' } as const;

const MAPPED: RegExp = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
