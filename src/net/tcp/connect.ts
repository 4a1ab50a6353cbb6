/** `connect`: from an address to a Socket. */

import { TimeoutError, UsageError } from '../../kernel/errors.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { checkpoint, writable } from '../../kernel/waits.ts';
import type { Keys } from '../../support/checks.ts';
import { checkDuration, checkKeys, checkOptionalBoolean, pick } from '../../support/checks.ts';
import { SystemError } from '../../support/system-error.ts';
import type {
  BufferSizes,
  Endpoint,
  KeepAliveOptions,
  Transport,
  TransportConnectOptions,
} from '../../world/network.ts';
import type { TlsClientOptions } from '../../world/tls.ts';
import type { Address, ParsedAddress } from '../address.ts';
import { formatAddress, ipFamily, parseAddress } from '../address.ts';
import { currentNetwork } from '../current-world.ts';
import type { ProxyHeaderOptions } from '../proxy/encode.ts';
import { encodeProxyHeader } from '../proxy/encode.ts';
import { resolveEndpoints } from '../resolve.ts';
import { connectOverTls } from '../tls/handshake.ts';
import { checkTlsClient } from '../tls/options.ts';
import type { ConnectionAttempt } from './connection-attempts.ts';
import { ConnectionAttempts } from './connection-attempts.ts';
import { Socket } from './socket.ts';
import {
  checkKeepAlive,
  checkSizes,
  requireKeepAlive,
  requireSizes,
  SIZE_KEYS,
} from './socket-options.ts';

/** Options of `connect`. */
export interface ConnectOptions extends BufferSizes {
  /** Time limit in milliseconds, including the look-up of names. Default: that of the system. */
  readonly timeoutMs?: number;
  /** The local address: an IP address, with a port or port 0. */
  readonly localAddress?: Address;
  /** TCP_NODELAY; default true. */
  readonly noDelay?: boolean;
  /** TCP keep-alive; see `Socket.setKeepAlive`. */
  readonly keepAlive?: KeepAliveOptions;
  /** True, or options: use TLS. `connect` returns when the handshake is complete. */
  readonly tls?: true | TlsClientOptions;
  /** Send a PROXY header first, in clear text, before TLS. */
  readonly proxyProtocol?: ProxyHeaderOptions;
}

const CONNECT_KEYS: Keys<ConnectOptions> = {
  timeoutMs: true,
  localAddress: true,
  noDelay: true,
  keepAlive: true,
  ...SIZE_KEYS,
  tls: true,
  proxyProtocol: true,
};

/**
 * Connects to `address`. The addresses of a name are tried as RFC 8305 specifies: IPv6 and IPv4
 * alternate, and the next attempt starts when the previous one has failed or has not connected
 * within 250 ms. The first connection is returned, and the other attempts are closed.
 *
 * With `tls`, the server's certificate must be valid, and must be valid for the host or
 * `tls.servername`. When `sendAll` returns, at most 64 KB may still be buffered in the process.
 *
 * With `proxyProtocol`, the connection begins with a PROXY header, which states the client that
 * this program connects for. `connect` returns when the header is sent.
 *
 * Cancel: all attempts are closed, and nothing is left open.
 * Errors: ECONNREFUSED, ETIMEDOUT, ENOTFOUND, …; if several addresses have failed, a ConnectError
 * that lists each of them with its error; ERR_TIMEOUT after `timeoutMs`; ERR_ADDRESS;
 * ERR_UNSUPPORTED for an option that the network cannot set; TypeError, RangeError. With TLS, also
 * the errors of node:tls (DEPTH_ZERO_SELF_SIGNED_CERT, ERR_TLS_CERT_ALTNAME_INVALID, ERR_SSL_…),
 * ECONNRESET if the server ends the connection during the handshake, ERR_TIMEOUT after
 * `tls.handshakeTimeoutMs`, and ERR_TLS_OPTIONS for an unusable certificate or key.
 *
 * @example
 * const socket = yield* connect('example.org:443', { tls: true, timeoutMs: 5000 });
 */
export function connect(address: Address, options: ConnectOptions = {}): Operation<Socket> {
  const parsed = parseAddress(address);
  checkConnectOptions(options);
  const network = transportOptions(options);
  const tls = options.tls === true ? {} : options.tls;
  if (tls !== undefined) checkTlsClient(tls);
  const { proxyProtocol } = options;
  const header = proxyProtocol === undefined ? undefined : encodeProxyHeader(proxyProtocol);
  return new Lazy(() => runConnect({ address: parsed, network, tls, header }, options));
}

function checkConnectOptions(options: ConnectOptions): void {
  checkKeys('options', options, CONNECT_KEYS);
  if (options.timeoutMs !== undefined) checkDuration('timeoutMs', options.timeoutMs);
  checkOptionalBoolean('noDelay', options.noDelay);
  checkSizes(options);
  if (options.keepAlive !== undefined) checkKeepAlive(options.keepAlive);
}

function transportOptions(options: ConnectOptions): TransportConnectOptions {
  const sizes = pick<BufferSizes>(options, SIZE_KEYS);
  if (options.localAddress === undefined) return sizes;
  const local = parseAddress(options.localAddress);
  if (local.path !== undefined) return { ...sizes, localAddress: local };
  const host = local.host || '0.0.0.0';
  const family = ipFamily(host);
  if (family !== 0) return { ...sizes, localAddress: { host, port: local.port, family } };
  throw new UsageError('ERR_ADDRESS', `Expected \`localAddress\` to be an IP address, got ${host}`);
}

/** The checked arguments of `connect`. */
interface ConnectPlan {
  readonly address: ParsedAddress;
  readonly network: TransportConnectOptions;
  readonly tls: TlsClientOptions | undefined;
  /** The PROXY header. */
  readonly header: Buffer | undefined;
}

function* runConnect(plan: ConnectPlan, options: ConnectOptions): Generator<Wait, Socket> {
  const { keepAlive, noDelay, timeoutMs = Infinity } = options;
  // An unsupported option fails before anything is opened.
  requireSizes(currentNetwork(), options);
  if (keepAlive !== undefined) requireKeepAlive(currentNetwork(), keepAlive);
  const socket = new Socket(yield* connectWithin(plan, timeoutMs), hostOf(plan));
  if (noDelay === false) socket.noDelay = false;
  if (keepAlive !== undefined) socket.setKeepAlive(keepAlive);
  return socket;
}

function* connectWithin(plan: ConnectPlan, timeoutMs: number): Generator<Wait, Transport> {
  const attempts = new ConnectionAttempts(currentNetwork(), plan.network);
  const { tls } = plan;
  const plain = () => new Lazy(() => connectPlain(plan, attempts));
  const start =
    tls === undefined ? plain : () => new Lazy(() => connectOverTls(hostOf(plan), tls, plain));
  if (timeoutMs === Infinity) return yield* start();
  const transport = yield* moveOnAfter(timeoutMs, start);
  if (transport === undefined) throw new TimeoutError(timeoutMs, describePending(plan, attempts));
  return transport;
}

/** The host that the certificate must be valid for. */
function hostOf({ address }: ConnectPlan): string {
  return address.path === undefined ? address.host || 'localhost' : 'localhost';
}

/** The state of a pending connection, for the message of the timeout. */
function describePending(
  { address, tls, header }: ConnectPlan,
  { tried, connected }: ConnectionAttempts,
): string {
  if (connected) {
    const stages = [header && 'the PROXY header', tls && 'the TLS handshake'];
    return `${stages.filter(Boolean).join(' and ')} with ${formatAddress(address)}`;
  }
  const what = `a connection to ${formatAddress(address)}`;
  return tried.length === 0 ? what : `${what} (${formatAttempts(tried)})`;
}

function* connectPlain(
  { address, network, header }: ConnectPlan,
  attempts: ConnectionAttempts,
): Generator<Wait, Transport> {
  yield* checkpoint();
  const endpoints = yield* resolveDestinations(address, network.localAddress);
  const transport = yield* attempts.race(endpoints);
  if (transport !== undefined) {
    if (header !== undefined) yield* sendHeader(transport, header);
    return transport;
  }
  const [first, ...others] = attempts.tried;
  if (others.length === 0) throw first?.error;
  throw new ConnectError(formatAddress(address), attempts.tried);
}

/** Cancel: the connection is reset, as it is after an error. */
function* sendHeader(transport: Transport, header: Buffer): Generator<Wait, void> {
  let sent = 0;
  try {
    while (sent < header.length) {
      const count = transport.trySend(header.subarray(sent));
      if (count === 0) yield* writable(transport);
      sent += count;
    }
  } finally {
    if (sent < header.length) transport.reset();
  }
}

/** The endpoints of `address` that have the family of `local`. */
function* resolveDestinations(
  address: ParsedAddress,
  local: Endpoint | undefined,
): Generator<Wait, readonly Endpoint[]> {
  if (address.path !== undefined) return [address];
  const found = yield* resolveEndpoints(address.host || 'localhost', address.port);
  if (local === undefined || !('family' in local)) return found;
  const matching = found.filter((each) => 'family' in each && each.family === local.family);
  if (matching.length > 0) return matching;
  throw new UsageError(
    'ERR_ADDRESS',
    `${formatAddress(address)} has no IPv${local.family} address, which the local address ` +
      `${formatAddress(local)} needs`,
  );
}

/**
 * All addresses of a name have failed. `errors` has the error of each, in the order of the
 * attempts. `code`, `errno`, `address` and `port` are those of the first.
 */
export class ConnectError extends SystemError {
  readonly errors: readonly Error[];

  constructor(target: string, tried: readonly ConnectionAttempt[]) {
    const first = tried[0] as ConnectionAttempt;
    const { code, errno } = first.error as SystemError;
    super(code, errno, 'connect', { ...first.to, text: `${target}: ${formatAttempts(tried)}` });
    this.errors = tried.map(({ error }) => error as Error);
  }
}

/** "[::1]:80 ECONNREFUSED, 127.0.0.1:80 no answer". */
function formatAttempts(tried: readonly ConnectionAttempt[]): string {
  return tried.map(({ to, error }) => `${formatAddress(to)} ${reasonOf(error)}`).join(', ');
}

function reasonOf(error: Error | undefined): string {
  if (error === undefined) return 'no answer';
  return (error as Partial<SystemError>).code ?? error.message;
}
