/** `bindDatagram`: from an address to a Datagram. */

import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { checkpoint, writable } from '../../kernel/waits.ts';
import { checkBoolean, checkInteger, wrongType } from '../../support/checks.ts';
import type { DatagramOptions, DatagramTransport, Endpoint } from '../../world/network.ts';
import type { Address, ParsedAddress } from '../address.ts';
import { parseAddress } from '../address.ts';
import { currentNetwork } from '../current-world.ts';
import { resolveEndpoints } from '../resolve.ts';
import { Datagram } from './datagram.ts';
import { pathError } from './destination.ts';

/**
 * Binds a UDP socket to `address`. A number or an empty host means all interfaces, IPv4 and IPv6;
 * port 0 means any free port (see `datagram.address`), for a socket that only asks.
 *
 * Options: `ipv6Only`; `reusePort`, several sockets share the port; `reuseAddress`, several
 * receivers of a group on this machine; `broadcast`; `recvBufferSize`, `sendBufferSize`, bytes;
 * `maxLength`, the longest datagram that is received whole (default 65535, the longest there is).
 * Cancel: nothing is left open.
 * Errors: ERR_ADDRESS, EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND.
 */
export function bindDatagram(address: Address, options: DatagramOptions = {}): Operation<Datagram> {
  const parsed = parseAddress(address);
  if (parsed.path !== undefined) throw pathError(parsed.path);
  checkOptions(options);
  return new Lazy(() => runBind(parsed, options));
}

type IpAddress = Exclude<ParsedAddress, { readonly path: string }>;

function* runBind({ host, port }: IpAddress, options: DatagramOptions): Generator<Wait, Datagram> {
  yield* checkpoint();
  if (host === '') return new Datagram(yield* bindAllInterfaces(port, options));
  const [endpoint] = yield* resolveEndpoints(host, port);
  return new Datagram(yield* bindEndpoint(endpoint as Endpoint, options));
}

/** All interfaces: one dual-stack socket, or IPv4 alone where the machine has no IPv6. */
function* bindAllInterfaces(
  port: number,
  options: DatagramOptions,
): Generator<Wait, DatagramTransport> {
  try {
    return yield* bindEndpoint({ host: '::', port, family: 6 }, options);
  } catch (error) {
    const { code } = (error ?? {}) as { code?: unknown };
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error;
    return yield* bindEndpoint({ host: '0.0.0.0', port, family: 4 }, options);
  }
}

function* bindEndpoint(at: Endpoint, options: DatagramOptions): Generator<Wait, DatagramTransport> {
  const transport = currentNetwork().bindDatagram(at, options);
  let bound = false;
  try {
    while (!transport.tryBind()) yield* writable(transport);
    bound = true;
    return transport;
  } finally {
    if (!bound) transport.close();
  }
}

const BOOLEAN_OPTIONS = ['ipv6Only', 'reusePort', 'reuseAddress', 'broadcast'] as const;

function checkOptions(options: DatagramOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw wrongType('options', 'an object', options);
  }
  for (const name of BOOLEAN_OPTIONS) {
    const value = options[name];
    if (value !== undefined) checkBoolean(name, value);
  }
  for (const name of ['recvBufferSize', 'sendBufferSize'] as const) {
    const value = options[name];
    if (value !== undefined) checkInteger(name, value, 1, 2 ** 31 - 1);
  }
  if (options.maxLength !== undefined) checkInteger('maxLength', options.maxLength, 1, 65535);
}
