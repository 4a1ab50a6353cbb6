/** `connect`: from an address to a Socket. */

import { TimeoutError, UsageError } from '../../kernel/errors.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { checkpoint } from '../../kernel/waits.ts';
import type { Keys } from '../../support/checks.ts';
import { checkDuration, checkKeys, checkOptionalBoolean, pick } from '../../support/checks.ts';
import { SystemError } from '../../support/system-error.ts';
import type {
  BufferSizes,
  Endpoint,
  KeepAliveOptions,
  TransportConnectOptions as NetworkOptions,
  Transport,
} from '../../world/network.ts';
import type { TlsClientOptions } from '../../world/tls.ts';
import type { Address, ParsedAddress } from '../address.ts';
import { formatAddress, ipFamily, parseAddress } from '../address.ts';
import { currentNetwork } from '../current-world.ts';
import { resolveEndpoints } from '../resolve.ts';
import { checkedTlsClientOptions, connectOverTls } from '../tls/handshake.ts';
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

/** How `connect` goes about it. */
export interface ConnectOptions extends BufferSizes {
  /** Milliseconds for the whole of it, names included. Default: what the system allows. */
  readonly timeoutMs?: number;
  /** The near end: an IP address, with a port or port 0. */
  readonly localAddress?: Address;
  /** TCP_NODELAY; default true. */
  readonly noDelay?: boolean;
  /** Let the system probe a silent peer; see `Socket.setKeepAlive`. */
  readonly keepAlive?: KeepAliveOptions;
  /** True, or options: the connection is TLS, and stands when the handshake is complete. */
  readonly tls?: true | TlsClientOptions;
}

const CONNECT_KEYS: Keys<ConnectOptions> = {
  timeoutMs: true,
  localAddress: true,
  noDelay: true,
  keepAlive: true,
  recvBufferSize: true,
  sendBufferSize: true,
  tls: true,
};

/**
 * Connects to `address`. Where a name has several addresses, they are raced as RFC 8305 says: IPv6
 * and IPv4 in turns, each begun when the one before it has failed or has not answered for 250 ms;
 * the first that stands wins, the others are closed.
 *
 * With `tls` the server's certificate must be valid, and for the host or `tls.servername`. A send
 * on TLS takes at most one record (16 KB) ahead of the network below: when `sendAll` has returned,
 * no more than that is still in memory.
 *
 * Cancel: the attempts are given up and nothing is left open.
 * Errors: ECONNREFUSED, ETIMEDOUT, ENOTFOUND, …; where several addresses have failed, a
 * ConnectError that lists each with its reason; ERR_TIMEOUT after `timeoutMs`; ERR_ADDRESS;
 * ERR_UNSUPPORTED for an option that the network cannot set; TypeError, RangeError. Of TLS: node's
 * own (DEPTH_ZERO_SELF_SIGNED_CERT, ERR_TLS_CERT_ALTNAME_INVALID, ERR_SSL_…), ECONNRESET if the
 * server ends the connection in the handshake, ERR_TIMEOUT after `tls.handshakeTimeoutMs`,
 * ERR_TLS_OPTIONS for a certificate or a key that cannot be used.
 */
export function connect(address: Address, options: ConnectOptions = {}): Operation<Socket> {
  const parsed = parseAddress(address);
  checkConnectOptions(options);
  const plan: ConnectPlan = {
    address: parsed,
    network: transportOptions(options),
    tls: checkedTlsClientOptions(options.tls),
  };
  return new Lazy(() => connectBy(plan, options));
}

function* connectBy(plan: ConnectPlan, options: ConnectOptions): Generator<Wait, Socket> {
  requireOptions(options);
  const socket = new Socket(yield* reach(plan, options.timeoutMs ?? Infinity));
  if (options.noDelay === false) socket.noDelay = false;
  if (options.keepAlive !== undefined) socket.setKeepAlive(options.keepAlive);
  return socket;
}

function checkConnectOptions(options: ConnectOptions): void {
  checkKeys('options', options, CONNECT_KEYS);
  if (options.timeoutMs !== undefined) checkDuration('timeoutMs', options.timeoutMs);
  checkOptionalBoolean('noDelay', options.noDelay);
  checkSizes(options);
  if (options.keepAlive !== undefined) checkKeepAlive(options.keepAlive);
}

/** Before anything is opened: a refusal must leave nothing behind. */
function requireOptions(options: ConnectOptions): void {
  requireSizes(currentNetwork(), options);
  if (options.keepAlive !== undefined) requireKeepAlive(currentNetwork(), options.keepAlive);
}

/** What is to be done. */
interface ConnectPlan {
  readonly address: ParsedAddress;
  readonly network: NetworkOptions;
  readonly tls: TlsClientOptions | undefined;
}

function* reach(plan: ConnectPlan, timeoutMs: number): Generator<Wait, Transport> {
  const attempts = new ConnectionAttempts(currentNetwork(), plan.network);
  const plain = () => new Lazy(() => runConnect(plan, attempts));
  const { tls } = plan;
  const stand =
    tls === undefined ? plain : () => new Lazy(() => connectOverTls(hostOf(plan), tls, plain));
  if (timeoutMs === Infinity) return yield* stand();
  const transport = yield* moveOnAfter(timeoutMs, stand);
  if (transport === undefined) throw new TimeoutError(timeoutMs, describePending(plan, attempts));
  return transport;
}

/** The name that the certificate has to be for. */
function hostOf({ address }: ConnectPlan): string {
  return address.path === undefined ? address.host || 'localhost' : 'localhost';
}

/** What a connection was waited for, and how far it came: for the message of the timeout. */
function describePending(
  { address }: ConnectPlan,
  { tried, connected }: ConnectionAttempts,
): string {
  if (connected) return `the TLS handshake with ${formatAddress(address)}`;
  const what = `a connection to ${formatAddress(address)}`;
  return tried.length === 0 ? what : `${what} (${formatAttempts(tried)})`;
}

function* runConnect(
  { address, network }: ConnectPlan,
  attempts: ConnectionAttempts,
): Generator<Wait, Transport> {
  yield* checkpoint();
  const endpoints = yield* resolveDestinations(address, network.localAddress);
  const transport = yield* attempts.race(endpoints);
  if (transport === undefined) throw connectError(formatAddress(address), attempts.tried);
  return transport;
}

/** The endpoints behind `address` that can be reached from `near`. */
function* resolveDestinations(
  address: ParsedAddress,
  near: Endpoint | undefined,
): Generator<Wait, readonly Endpoint[]> {
  if (address.path !== undefined) return [address];
  const found = yield* resolveEndpoints(address.host || 'localhost', address.port);
  if (near === undefined || !('family' in near)) return found;
  const fitting = found.filter((each) => 'family' in each && each.family === near.family);
  if (fitting.length > 0) return fitting;
  throw new UsageError(
    'ERR_ADDRESS',
    `${formatAddress(address)} has no IPv${near.family} address, which the local address ` +
      `${formatAddress(near)} needs`,
  );
}

function transportOptions(options: ConnectOptions): NetworkOptions {
  const sizes = pick<BufferSizes>(options, SIZE_KEYS);
  if (options.localAddress === undefined) return sizes;
  const local = parseAddress(options.localAddress);
  if (local.path !== undefined) return { ...sizes, localAddress: local };
  const host = local.host || '0.0.0.0';
  const family = ipFamily(host);
  if (family !== 0) return { ...sizes, localAddress: { host, port: local.port, family } };
  throw new UsageError('ERR_ADDRESS', `Expected \`localAddress\` to be an IP address, got ${host}`);
}

/** Why none of several addresses could be connected to. */

/**
 * All addresses of a name have failed. `errors` has the error of each, in the order in which they
 * were tried; `code`, `errno`, `address` and `port` are those of the first.
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

/** The error for attempts that have all failed: that of the only one as it is. */
export function connectError(target: string, tried: readonly ConnectionAttempt[]): Error {
  return tried.length === 1 ? (tried[0]?.error as Error) : new ConnectError(target, tried);
}

/** "[::1]:80 ECONNREFUSED, 127.0.0.1:80 no answer". */
export function formatAttempts(tried: readonly ConnectionAttempt[]): string {
  return tried.map(({ to, error }) => `${formatAddress(to)} ${reasonOf(error)}`).join(', ');
}

function reasonOf(error: Error | undefined): string {
  if (error === undefined) return 'no answer';
  return (error as Partial<SystemError>).code ?? error.message;
}
