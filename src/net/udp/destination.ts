/** Where a datagram goes: from what a program writes to an endpoint of the socket's own family. */

import { UsageError } from '../../kernel/errors.ts';
import type { Wait } from '../../kernel/operation.ts';
import { checkInteger, show } from '../../support/checks.ts';
import type { Endpoint } from '../../world/network.ts';
import type { Address } from '../address.ts';
import { ipFamily, parseAddress, SocketAddress } from '../address.ts';
import { resolveEndpoints } from '../resolve.ts';

/** An endpoint of UDP: never a path. */
export type IpEndpoint = Extract<Endpoint, { readonly host: string }>;

/** The host of a destination, and its port; a name if `family` is 0. */
export interface Destination {
  readonly host: string;
  readonly port: number;
  readonly family: 0 | 4 | 6;
}

/**
 * Takes the address of a receiver apart. Without a host it is this machine, by the loopback address
 * of the socket's family. Errors: as `parseAddress`; ERR_ADDRESS for a path; RangeError for port 0.
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

/** The error for a path where UDP is meant. */
export function pathError(path: string): UsageError {
  return new UsageError(
    'ERR_ADDRESS',
    `Expected an address with a port, such as '127.0.0.1:5353', got the path ${show(path)}: ` +
      'datagrams of Unix sockets are not supported.',
  );
}

/** Port 0 is nobody's (RFC 768). */
function checkPort(port: number): void {
  checkInteger('port', port, 1, 65535);
}

/**
 * The endpoint of a destination that needs no look-up, in the family of the socket: an IPv4 address
 * in its mapped form for a socket of IPv6 (RFC 4291, 2.5.5.2), and back. What cannot be had in that
 * family stays as it is, and the system refuses it.
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
 * Looks the name of a destination up and takes the first address that a socket of `socket` can
 * reach. Cancel: the question is given up. Errors: ENOTFOUND, EAI_AGAIN.
 */
export function* resolveDestination(
  { host, port }: Destination,
  socket: 4 | 6,
): Generator<Wait, IpEndpoint> {
  const found = (yield* resolveEndpoints(host, port)) as readonly IpEndpoint[];
  const fitting = socket === 6 ? found[0] : found.find(({ family }) => family === 4);
  return endpointOf((fitting ?? found[0]) as IpEndpoint, socket);
}

const LOOPBACK = { 4: '127.0.0.1', 6: '::1' } as const;

const MAPPED: RegExp = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
