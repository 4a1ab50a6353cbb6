/** `connect`: from an address to a Socket. */
import { checkDuration } from '../kernel/checks.ts';
import { TimeoutError, UsageError } from '../kernel/errors.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { checkpoint } from '../kernel/waits.ts';
import { moveOnAfter } from '../kernel/with-scope.ts';
import type {
  BufferSizes,
  Endpoint,
  KeepAliveOptions,
  ConnectOptions as NetworkOptions,
  Transport,
} from '../world/network.ts';
import type { Address, ParsedAddress } from './address.ts';
import { formatAddress, ipFamily, parseAddress } from './address.ts';
import type { Attempt } from './attempts.ts';
import { Attempts } from './attempts.ts';
import { connectError, listOf } from './connect-error.ts';
import type { Keys } from './keys.ts';
import { checkKeys, checkSwitch, pick } from './keys.ts';
import {
  checkKeepAlive,
  checkSizes,
  requireKeepAlive,
  requireSizes,
  SIZE_KEYS,
} from './options.ts';
import { endpointsOf } from './resolve.ts';
import { Socket } from './socket.ts';
import { currentNetwork } from './world.ts';

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
}

const CONNECT_KEYS: Keys<ConnectOptions> = {
  timeoutMs: true,
  localAddress: true,
  noDelay: true,
  keepAlive: true,
  recvBufferSize: true,
  sendBufferSize: true,
};

/**
 * Connects to `address`. Where a name has several addresses, they are raced as RFC 8305 says: IPv6
 * and IPv4 in turns, each begun when the one before it has failed or has not answered for 250 ms;
 * the first that stands wins, the others are closed.
 *
 * Cancel: the attempts are given up and nothing is left open.
 * Errors: ECONNREFUSED, ETIMEDOUT, ENOTFOUND, …; where several addresses have failed, a
 * ConnectError that lists each with its reason; ERR_TIMEOUT after `timeoutMs`; ERR_ADDRESS;
 * ERR_UNSUPPORTED for an option that the network cannot set; TypeError, RangeError.
 */
export function connect(address: Address, options: ConnectOptions = {}): Operation<Socket> {
  const parsed = parseAddress(address);
  checkConnectOptions(options);
  const { timeoutMs = Infinity } = options;
  checkDuration('timeoutMs', timeoutMs);
  const network = networkOptions(options);
  return new Lazy(function* (): Generator<Wait, Socket> {
    requireOptions(options);
    const socket = new Socket(yield* reach(parsed, network, timeoutMs));
    if (options.noDelay === false) socket.noDelay = false;
    if (options.keepAlive !== undefined) socket.setKeepAlive(options.keepAlive);
    return socket;
  });
}

function checkConnectOptions(options: ConnectOptions): void {
  checkKeys('options', options, CONNECT_KEYS);
  checkSwitch('noDelay', options.noDelay);
  checkSizes(options);
  if (options.keepAlive !== undefined) checkKeepAlive(options.keepAlive);
}

/** Before anything is opened: a refusal must leave nothing behind. */
function requireOptions(options: ConnectOptions): void {
  requireSizes(currentNetwork(), options);
  if (options.keepAlive !== undefined) requireKeepAlive(currentNetwork(), options.keepAlive);
}

function* reach(
  address: ParsedAddress,
  options: NetworkOptions,
  timeoutMs: number,
): Generator<Wait, Transport> {
  const attempts = new Attempts(currentNetwork(), options);
  const race = () => new Lazy(() => runConnect(address, options, attempts));
  const { tried } = attempts;
  if (timeoutMs === Infinity) return yield* race();
  const transport = yield* moveOnAfter(timeoutMs, race);
  if (transport === undefined) throw new TimeoutError(timeoutMs, unanswered(address, tried));
  return transport;
}

function* runConnect(
  address: ParsedAddress,
  options: NetworkOptions,
  attempts: Attempts,
): Generator<Wait, Transport> {
  yield* checkpoint();
  const endpoints = yield* destinations(address, options.localAddress);
  const transport = yield* attempts.race(endpoints);
  if (transport === undefined) throw connectError(formatAddress(address), attempts.tried);
  return transport;
}

/** The endpoints behind `address` that can be reached from `near`. */
function* destinations(
  address: ParsedAddress,
  near: Endpoint | undefined,
): Generator<Wait, readonly Endpoint[]> {
  if (address.path !== undefined) return [address];
  const found = yield* endpointsOf(address.host || 'localhost', address.port);
  if (near === undefined || !('family' in near)) return found;
  const fitting = found.filter((each) => 'family' in each && each.family === near.family);
  if (fitting.length > 0) return fitting;
  throw new UsageError(
    'ERR_ADDRESS',
    `${formatAddress(address)} has no IPv${near.family} address, which the local address ` +
      `${formatAddress(near)} needs`,
  );
}

/** What a connection was waited for, and how far it came: for the message of the timeout. */
function unanswered(address: ParsedAddress, tried: readonly Attempt[]): string {
  const what = `a connection to ${formatAddress(address)}`;
  return tried.length === 0 ? what : `${what} (${listOf(tried)})`;
}

function networkOptions(options: ConnectOptions): NetworkOptions {
  const sizes = pick<BufferSizes>(options, SIZE_KEYS);
  if (options.localAddress === undefined) return sizes;
  const local = parseAddress(options.localAddress);
  if (local.path !== undefined) return { ...sizes, localAddress: local };
  const host = local.host || '0.0.0.0';
  const family = ipFamily(host);
  if (family !== 0) return { ...sizes, localAddress: { host, port: local.port, family } };
  throw new UsageError('ERR_ADDRESS', `Expected \`localAddress\` to be an IP address, got ${host}`);
}
