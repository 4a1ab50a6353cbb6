/** `listen`: from an address to a Listener. */
import { isCancelled } from '../kernel/cancelled.ts';
import { checkInteger } from '../kernel/checks.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { checkpoint, writable } from '../kernel/waits.ts';
import type { Endpoint, ListenerTransport, ListenOptions } from '../world/network.ts';
import type { Address, ParsedAddress } from './address.ts';
import { parseAddress } from './address.ts';
import { connect } from './connect.ts';
import { Listener } from './listener.ts';
import { endpointsOf } from './resolve.ts';
import { tlsServer } from './tls.ts';
import { checkTlsServer } from './tls-options.ts';
import { currentNetwork } from './world.ts';

/**
 * Listens at `address`. A number or an empty host means all interfaces, IPv4 and IPv6; port 0 means
 * any free port (see `listener.address`).
 *
 * Options: `backlog`, connections that may wait to be accepted (default: the system's maximum);
 * `reusePort`, several listeners share the port; `ipv6Only`; `tls`, certificate and key: then only
 * connections whose handshake is complete are accepted, see `listener.handshakes`.
 * Cancel: nothing is left open. Errors: ERR_ADDRESS, EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND;
 * ERR_TLS_OPTIONS for a certificate or a key that cannot be used; ERR_UNSUPPORTED where there is no
 * TLS.
 */
export function listen(address: Address, options: ListenOptions = {}): Operation<Listener> {
  const parsed = parseAddress(address);
  if (options.backlog !== undefined) checkInteger('backlog', options.backlog, 1, 2 ** 31 - 1);
  if (options.tls !== undefined) checkTlsServer(options.tls);
  return new Lazy(() => runListen(parsed, options));
}

/** A certificate that cannot be used is found before anything is opened. */
function* runListen(
  address: ParsedAddress,
  { tls, ...options }: ListenOptions,
): Generator<Wait, Listener> {
  yield* checkpoint();
  const secured = tls && tlsServer(tls);
  const transport = yield* beginAt(address, options);
  return secured === undefined ? new Listener(transport) : new Listener(secured(transport));
}

function* beginAt(
  address: ParsedAddress,
  options: ListenOptions,
): Generator<Wait, ListenerTransport> {
  if (address.path !== undefined) return yield* beginAtPath(address, options);
  if (address.host === '') return yield* beginEverywhere(address.port, options);
  const [endpoint] = yield* endpointsOf(address.host, address.port);
  return yield* begin(endpoint as Endpoint, options);
}

/**
 * A path that is in use may be the file that a dead server has left behind: nobody answers behind
 * it. Then it is replaced.
 */
function* beginAtPath(
  at: { readonly path: string },
  options: ListenOptions,
): Generator<Wait, ListenerTransport> {
  const remove = currentNetwork().socketFile(at.path);
  try {
    return yield* begin(at, options);
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE' || !(yield* isAbandoned(at.path))) throw error;
  }
  remove?.();
  return yield* begin(at, options);
}

/** Only a refusal proves it: a live server that is too busy answers otherwise. */
function* isAbandoned(path: string): Generator<Wait, boolean> {
  try {
    const socket = yield* connect({ path });
    socket.close();
    return false;
  } catch (error) {
    if (isCancelled(error)) throw error;
    return codeOf(error) === 'ECONNREFUSED';
  }
}

/** All interfaces: one dual-stack socket, or IPv4 alone where the machine has no IPv6. */
function* beginEverywhere(
  port: number,
  options: ListenOptions,
): Generator<Wait, ListenerTransport> {
  try {
    return yield* begin({ host: '::', port, family: 6 }, options);
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error;
    return yield* begin({ host: '0.0.0.0', port, family: 4 }, options);
  }
}

function* begin(at: Endpoint, options: ListenOptions): Generator<Wait, ListenerTransport> {
  const transport = currentNetwork().listen(at, options);
  let listening = false;
  try {
    while (!transport.tryListen()) yield* writable(transport);
    listening = true;
    return transport;
  } finally {
    if (!listening) transport.close();
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null | undefined)?.code;
}
