/** `connect`: from an address to a Socket. */
import { checkDuration } from '../kernel/checks.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { checkpoint, writable } from '../kernel/waits.ts';
import { timeout } from '../kernel/with-scope.ts';
import type { Endpoint, ConnectOptions as NetworkOptions } from '../world/network.ts';
import type { TlsClientOptions } from '../world/tls.ts';
import type { Address, ParsedAddress } from './address.ts';
import { ipFamily, parseAddress } from './address.ts';
import { endpointsOf } from './resolve.ts';
import { Socket } from './socket.ts';
import { checkedClient, connectSecurely } from './tls.ts';
import { currentNetwork } from './world.ts';

/** How `connect` goes about it. */
export interface ConnectOptions {
  /** Milliseconds for the whole of it, names included. Default: what the system allows. */
  readonly timeoutMs?: number;
  /** The near end: an IP address, with a port or port 0. */
  readonly localAddress?: Address;
  /** TCP_NODELAY; default true. */
  readonly noDelay?: boolean;
  /** True, or options: the connection is TLS, and stands when the handshake is complete. */
  readonly tls?: true | TlsClientOptions;
}

/**
 * Connects to `address`. A name with several addresses is tried in order until one answers.
 *
 * With `tls` the server's certificate must be valid, and for the host or `tls.servername`. A send
 * on TLS takes at most one record (16 KB) ahead of the network below: when `sendAll` has returned,
 * no more than that is still in memory.
 *
 * Cancel: the attempt is given up and nothing is left open.
 * Errors: ECONNREFUSED, ETIMEDOUT, ENOTFOUND, …; ERR_TIMEOUT after `timeoutMs`; ERR_ADDRESS. Of
 * TLS: node's own (DEPTH_ZERO_SELF_SIGNED_CERT, ERR_TLS_CERT_ALTNAME_INVALID, ERR_SSL_…),
 * ECONNRESET if the server ends the connection in the handshake, ERR_TIMEOUT after
 * `tls.handshakeTimeoutMs`, ERR_TLS_OPTIONS for a certificate or a key that cannot be used,
 * ERR_UNSUPPORTED where there is no TLS.
 */
export function connect(address: Address, options: ConnectOptions = {}): Operation<Socket> {
  const parsed = parseAddress(address);
  const { timeoutMs = Infinity } = options;
  checkDuration('timeoutMs', timeoutMs);
  const network = networkOptions(options);
  const tls = checkedClient(options.tls);
  return new Lazy(function* (): Generator<Wait, Socket> {
    const plain = () => new Lazy(() => runConnect(parsed, network));
    const host = parsed.path === undefined ? parsed.host || 'localhost' : 'localhost';
    const attempt = () =>
      tls === undefined ? plain() : new Lazy(() => connectSecurely(host, tls, plain));
    const socket = yield* timeoutMs === Infinity ? attempt() : timeout(timeoutMs, attempt);
    if (options.noDelay === false) socket.noDelay = false;
    return socket;
  });
}

function* runConnect(address: ParsedAddress, options: NetworkOptions): Generator<Wait, Socket> {
  yield* checkpoint();
  if (address.path !== undefined) return yield* attempt(address, options);
  const endpoints = yield* endpointsOf(address.host || 'localhost', address.port);
  let failure: unknown;
  for (const endpoint of endpoints) {
    try {
      return yield* attempt(endpoint, options);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      failure ??= error;
    }
  }
  throw failure;
}

function* attempt(to: Endpoint, options: NetworkOptions): Generator<Wait, Socket> {
  const transport = currentNetwork().connect(to, options);
  let connected = false;
  try {
    while (!transport.tryConnect()) yield* writable(transport);
    connected = true;
    return new Socket(transport);
  } finally {
    if (!connected) transport.close();
  }
}

function networkOptions(options: ConnectOptions): NetworkOptions {
  if (options.localAddress === undefined) return {};
  const local = parseAddress(options.localAddress);
  if (local.path !== undefined) return { localAddress: local };
  const family = ipFamily(local.host) || 4;
  return { localAddress: { host: local.host || '0.0.0.0', port: local.port, family } };
}
