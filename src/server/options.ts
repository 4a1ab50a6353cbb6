/** The options of `tcpServer` and `serve`, and the limits that follow from them. */

import type { Operation } from '../kernel/operation.ts';
import type { SocketAddress } from '../net/address.ts';
import { LISTEN_KEYS } from '../net/tcp/listen.ts';
import type { Socket } from '../net/tcp/socket.ts';
import type { Keys } from '../support/checks.ts';
import {
  checkDuration,
  checkInteger,
  checkKeys,
  checkNumber,
  wrongType,
} from '../support/checks.ts';
import type { ListenOptions, Network, NetworkLimits } from '../world/network.ts';
import type { Server } from './server.ts';
import type { CloseRecord, DrainReport } from './stats.ts';

/** Serves one connection, in a task of its own. The connection is closed when the handler ends. */
export type Handler = (socket: Socket, peer: SocketAddress) => Operation<unknown>;

/** The minimum rate at which a message must arrive. */
export interface ReceiveRate {
  /** Minimum bytes per second, averaged since the first byte of the message. */
  readonly bytesPerSecond: number;
  /** Age below which a message is not checked, in milliseconds. Default 5000. */
  readonly graceMs?: number;
}

/** A limit on the rate of new connections (a token bucket). */
export interface AcceptRate {
  /** Connections that are allowed in a burst, and in each period of `perMs`. */
  readonly count: number;
  /** Length of the period, in milliseconds. */
  readonly perMs: number;
}

/**
 * Options of `tcpServer` and `serve`, in addition to those of `listen`.
 *
 * Limits: `Infinity` turns a limit off. A connection that exceeds a time limit is ended: the scope
 * of its handler is cancelled with the name of the option as the reason (`finally` blocks run), and
 * the connection is closed, or reset if its peer does not read. It is counted in `stats().closed`
 * and is not a failure. A time limit takes effect when its time has passed or up to a quarter of it
 * later, never earlier.
 *
 * Bytes that wait to be sent have no limit, because no queue of them grows: `sendAll` waits until
 * the system has taken them. Options of the Reader (`max`) and the Writer (`highWaterMark`) limit
 * what these buffer.
 */
export interface ServerOptions extends ListenOptions {
  /** Called once, before the first connection is accepted. An exception ends the server. */
  onListening?(server: Server): void;
  /**
   * Called when a handler fails. Default: a line on standard error, limited to one per second after
   * the first 100; in a simulation also a warning of the run. Resets by peers are counted only. An
   * exception goes to `hooks.onUnhandled`; in a simulation without that hook it fails the run.
   */
  onError?(error: unknown, peer: SocketAddress): void;
  /** Called when a connection has ended. An exception goes to `hooks.onUnhandled`. */
  onClose?(record: CloseRecord): void;
  /** Called when a stopped server has ended. An exception goes to `hooks.onUnhandled`. */
  onDrained?(report: DrainReport): void;
  /**
   * How long the server waits for the peer to close its end after the handler has ended, in
   * milliseconds. Default 2000.
   */
  readonly lingerMs?: number;
  /**
   * Maximum number of open connections. At the maximum, accepting pauses until a connection ends;
   * further connections wait in the system's queue. Default: the number of free descriptors of the
   * process when the server starts, minus 16, and at least 8. The portable network cannot leave
   * connections in the system's queue: they wait in the process and hold a descriptor each, and the
   * default is Infinity.
   */
  readonly maxConnections?: number;
  /**
   * Maximum number of open connections of one peer: an IPv4 address, or the first 64 bits of an
   * IPv6 address. Further connections are reset. Unix sockets are not counted. Default Infinity.
   */
  readonly maxConnectionsPerPeer?: number;
  /**
   * Maximum rate of new connections of one peer (as above); connections in excess of it are reset.
   * The rate of at most 16,384 peers without open connections is remembered. Default Infinity.
   */
  readonly maxAcceptRatePerPeer?: AcceptRate | number;
  /**
   * How long a connection may last before the first byte from its peer, in milliseconds. The time
   * restarts when the handler sends. Default 60 000.
   */
  readonly firstByteTimeoutMs?: number;
  /**
   * How long a connection may last without a byte in either direction, in milliseconds, regardless
   * of what its handler does. While a handler waits to send, `sendStallTimeoutMs` applies instead.
   * Default 300 000.
   */
  readonly idleTimeoutMs?: number;
  /**
   * How long a handler may wait to send while the peer takes no byte, in milliseconds. A transfer
   * that makes progress is not ended, however slow it is. Bytes count as taken when the peer
   * acknowledges earlier ones; on Node's sockets (portable, TLS) progress becomes visible in steps
   * of up to a third of the system's send buffer. Default 30 000.
   */
  readonly sendStallTimeoutMs?: number;
  /**
   * Minimum rate at which a message must arrive. It is checked only while a read of the
   * connection's Reader waits for the rest of a message. Default Infinity: no minimum.
   */
  readonly minReceiveRate?: ReceiveRate | number;
  /** How long a connection may last, in milliseconds. Default Infinity. */
  readonly maxLifetimeMs?: number;
}

/** The limits of a server after defaults have been applied. Infinity: no limit. */
export interface Limits {
  readonly maxConnections: number;
  /** True: `maxConnections` is the default, so reaching it means that descriptors are short. */
  readonly maxIsDerived: boolean;
  readonly maxPerPeer: number;
  readonly acceptRate: AcceptRate | null;
  readonly firstByteMs: number;
  readonly idleMs: number;
  readonly sendStallMs: number;
  /** Bytes per second; 0: no limit. */
  readonly receiveRate: number;
  readonly receiveGraceMs: number;
  readonly lifetimeMs: number;
  readonly lingerMs: number;
}

/** Descriptors that are left to the program for files and for connections of its own. */
const SPARE_DESCRIPTORS = 16;
const MIN_CONNECTIONS = 8;

const MAX_COUNT = 2 ** 31 - 1;

const CALLBACKS = ['onListening', 'onError', 'onClose', 'onDrained'] as const;
const TIME_LIMITS = [
  'firstByteTimeoutMs',
  'idleTimeoutMs',
  'sendStallTimeoutMs',
  'maxLifetimeMs',
] as const;

const KEYS: Keys<ServerOptions> = {
  onListening: true,
  onError: true,
  onClose: true,
  onDrained: true,
  lingerMs: true,
  maxConnections: true,
  maxConnectionsPerPeer: true,
  maxAcceptRatePerPeer: true,
  firstByteTimeoutMs: true,
  idleTimeoutMs: true,
  sendStallTimeoutMs: true,
  minReceiveRate: true,
  maxLifetimeMs: true,
  ...LISTEN_KEYS,
};

/** Throws a TypeError or RangeError for an invalid handler or option. */
export function checkServerOptions(handler: unknown, options: ServerOptions): void {
  if (typeof handler !== 'function') throw wrongType('handler', 'a function', handler);
  checkKeys('options', options, KEYS);
  for (const name of CALLBACKS) {
    const callback: unknown = options[name];
    if (callback !== undefined && typeof callback !== 'function') {
      throw wrongType(name, 'a function', callback);
    }
  }
  if (options.lingerMs !== undefined) checkDuration('lingerMs', options.lingerMs);
  for (const name of TIME_LIMITS) checkLimit(name, options[name]);
  checkCount('maxConnections', options.maxConnections);
  checkCount('maxConnectionsPerPeer', options.maxConnectionsPerPeer);
  checkRates(options);
}

/** Throws unless `value` is absent or a number > 0; Infinity turns the limit off. */
export function checkLimit(name: string, value: number | undefined): void {
  if (value === undefined) return;
  const expected = 'a number > 0, or Infinity for no limit';
  // Elsewhere 0 may mean "no limit"; here it would end every connection at once.
  checkNumber(name, value, expected, typeof value === 'number' && value > 0);
}

function checkCount(name: string, value: number | undefined): void {
  checkLimit(name, value);
  if (value !== undefined && value !== Infinity) checkInteger(name, value, 1, MAX_COUNT);
}

function checkRates({ minReceiveRate, maxAcceptRatePerPeer }: ServerOptions): void {
  if (isLimited('minReceiveRate', minReceiveRate)) {
    checkKeys('minReceiveRate', minReceiveRate, { bytesPerSecond: true, graceMs: true });
    checkPositive('minReceiveRate.bytesPerSecond', minReceiveRate.bytesPerSecond);
    const { graceMs } = minReceiveRate;
    if (graceMs !== undefined) checkPositive('minReceiveRate.graceMs', graceMs);
  }
  if (isLimited('maxAcceptRatePerPeer', maxAcceptRatePerPeer)) {
    checkKeys('maxAcceptRatePerPeer', maxAcceptRatePerPeer, { count: true, perMs: true });
    checkInteger('maxAcceptRatePerPeer.count', maxAcceptRatePerPeer.count, 1, MAX_COUNT);
    checkPositive('maxAcceptRatePerPeer.perMs', maxAcceptRatePerPeer.perMs);
  }
}

/** False for no rate (absent, Infinity); throws unless `rate` is an object otherwise. */
function isLimited<R extends object>(name: string, rate: R | number | undefined): rate is R {
  if (rate === undefined || rate === Infinity) return false;
  if (typeof rate === 'object' && rate !== null) return true;
  throw wrongType(name, 'an object, or Infinity for no limit', rate);
}

function checkPositive(name: string, value: number): void {
  checkNumber(name, value, 'a finite number > 0', Number.isFinite(value) && value > 0);
}

/** Applies defaults. Descriptors are read from `network` only if `maxConnections` is absent. */
export function resolveLimits(options: ServerOptions, network: Network): Limits {
  const { minReceiveRate, maxAcceptRatePerPeer } = options;
  const rate = typeof minReceiveRate === 'object' ? minReceiveRate : undefined;
  return {
    maxConnections: options.maxConnections ?? defaultMaxConnections(network),
    maxIsDerived: options.maxConnections === undefined,
    maxPerPeer: options.maxConnectionsPerPeer ?? Infinity,
    acceptRate: typeof maxAcceptRatePerPeer === 'object' ? maxAcceptRatePerPeer : null,
    firstByteMs: options.firstByteTimeoutMs ?? 60_000,
    idleMs: options.idleTimeoutMs ?? 300_000,
    sendStallMs: options.sendStallTimeoutMs ?? 30_000,
    receiveRate: rate?.bytesPerSecond ?? 0,
    receiveGraceMs: rate?.graceMs ?? 5000,
    lifetimeMs: options.maxLifetimeMs ?? Infinity,
    lingerMs: options.lingerMs ?? 2000,
  };
}

/** A network that cannot pause accepting saves no descriptor by a limit. */
function defaultMaxConnections(network: Network): number {
  if (!network.capabilities.pausesAccept) return Infinity;
  return Math.max(MIN_CONNECTIONS, freeDescriptors(network.limits()) - SPARE_DESCRIPTORS);
}

/** Infinity: not known on this system. */
export function freeDescriptors({ descriptors, openDescriptors }: NetworkLimits): number {
  return descriptors === undefined ? Infinity : descriptors - (openDescriptors ?? 0);
}
