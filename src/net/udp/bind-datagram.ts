/** `bindDatagram`: from an address to a Datagram. */

import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { checkpoint } from '../../kernel/waits.ts';
import { checkBoolean, checkInteger, wrongType } from '../../support/checks.ts';
import type { DatagramOptions } from '../../world/network.ts';
import type { Address, ParsedAddress } from '../address.ts';
import { parseAddress } from '../address.ts';
import { bindAt, untilOpen } from '../bind.ts';
import { currentNetwork } from '../current-world.ts';
import { checkSizes } from '../tcp/socket-options.ts';
import { Datagram } from './datagram.ts';
import { pathError } from './destination.ts';

/**
 * Binds a UDP socket to `address`. A number or an empty host means all interfaces, IPv4 and IPv6.
 * Port 0 means any free port (see `datagram.address`), which suits a client.
 *
 * Options: `ipv6Only`; `reusePort`, several sockets share the port; `reuseAddress`, several sockets
 * of this machine receive from the same group; `broadcast`; `recvBufferSize` and `sendBufferSize`
 * in bytes; `maxLength`, the longest datagram that is received whole (default 65535, the maximum).
 *
 * Cancel: nothing is left open.
 * Errors: ERR_ADDRESS, EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND; TypeError, RangeError.
 *
 * @example
 * const datagram = yield* bindDatagram(5353);
 * const { data, from } = yield* datagram.recvFrom();
 * yield* datagram.sendTo(data, from);
 */
export function bindDatagram(address: Address, options: DatagramOptions = {}): Operation<Datagram> {
  const parsed = parseAddress(address);
  if (parsed.path !== undefined) throw pathError(parsed.path);
  checkOptions(options);
  return new Lazy(() => runBind(parsed, options));
}

function* runBind(address: ParsedAddress, options: DatagramOptions): Generator<Wait, Datagram> {
  yield* checkpoint();
  const network = currentNetwork();
  const transport = yield* bindAt(address, (at) => {
    const transport = network.bindDatagram(at, options);
    return untilOpen(transport, () => transport.tryBind());
  });
  return new Datagram(transport);
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
  checkSizes(options);
  if (options.maxLength !== undefined) checkInteger('maxLength', options.maxLength, 1, 65535);
}
