/** What `tcpServer` and `serve` can be told, and the limits that follow from it. */

import type { Operation } from '../kernel/operation.ts';
import type { SocketAddress } from '../net/address.ts';
import { LISTEN_KEYS } from '../net/tcp/listen.ts';
import type { Socket } from '../net/tcp/socket.ts';
import type { Keys } from '../support/checks.ts';
import {
  checkDuration,
  checkInteger,
  checkKeys,
  outOfRange,
  wrongType,
} from '../support/checks.ts';
import type { ListenOptions, Network, NetworkLimits } from '../world/network.ts';
import type { Server } from './server.ts';
import type { CloseRecord, DrainReport } from './stats.ts';

/** Serves one connection: runs in a task of its own, and the connection ends when it does. */
export type Handler = (socket: Socket, peer: SocketAddress) => Operation<unknown>;

/** A number, or the word that turns a limit off. */
export type Limit = number | 'unlimited';

/** How slowly a message may come in. */
export interface ReceiveRate {
  /** The least bytes of a message per second, on average since its beginning. */
  readonly bytesPerSecond: number;
  /** A message is not judged before it is this old, in milliseconds. Default 5000. */
  readonly graceMs?: number;
}

/** How many connections may come in, over time. */
export interface AcceptRate {
  /** So many at once, … */
  readonly count: number;
  /** … and so many in this time, in milliseconds, for as long as it goes on. */
  readonly perMs: number;
}

/**
 * What `tcpServer` and `serve` can be told.
 *
 * Limits. A connection that passes one of those in time is ended: the scope of its handler is
 * cancelled with the name of the option as reason (`finally` runs), then the connection is closed,
 * or reset if its peer does not read. That is counted in `stats().closed` and is no failure. Such
 * a limit acts when its time has passed, and up to a quarter later; never before. 'unlimited' turns
 * a limit off. There is none for bytes that wait to be sent: `sendAll` waits for the system to take
 * them, so no queue grows here; what a Reader or a Writer may hold is an option of theirs (`max`,
 * `highWaterMark`).
 */
export interface ServerOptions extends ListenOptions {
  /** Called once, before the first connection is accepted. What it throws ends the server. */
  onListening?(server: Server): void;
  /**
   * A handler failed. Default: one line on standard error; of very many, one a second. Resets by
   * peers are only counted.
   */
  onError?(error: unknown, peer: SocketAddress): void;
  /** A connection has ended. What it throws is unhandled, and the server goes on. */
  onClose?(record: CloseRecord): void;
  /** A server that was stopped has ended. What it throws is unhandled. */
  onDrained?(report: DrainReport): void;
  /**
   * How long the end of a connection waits for the peer to finish, in milliseconds. Default 2000.
   */
  readonly lingerMs?: number;
  /**
   * The most open connections. With so many, accepting pauses until one ends, and the others wait
   * in the system's queue. Default: the descriptors of the process that are free when the server
   * begins, less 16, and at least 8. The portable network cannot leave connections in the queue:
   * there they wait in the process, with a descriptor each, and the default is 'unlimited'.
   */
  readonly maxConnections?: Limit;
  /**
   * The most open connections of one peer: of an IPv4 address, or of the first 64 bits of an IPv6
   * address. Those beyond are reset. Unix sockets are not counted. Default 'unlimited'.
   */
  readonly maxConnectionsPerPeer?: Limit;
  /**
   * How fast one peer (as above) may connect; what comes faster is reset. Peers without a
   * connection are remembered up to 16,384, the latest. Default 'unlimited'.
   */
  readonly maxAcceptRatePerPeer?: AcceptRate | 'unlimited';
  /**
   * How long a connection may last before the first byte of the peer, in milliseconds, counted anew
   * while the handler sends. Default 60 000.
   */
  readonly firstByteTimeoutMs?: Limit;
  /**
   * How long a connection may last without a byte received or sent, whatever its handler does
   * meanwhile, in milliseconds. A handler that waits for room to send is left to
   * `sendStallTimeoutMs`. Default 300 000.
   */
  readonly idleTimeoutMs?: Limit;
  /**
   * How long a handler may wait for room to send without one byte being taken, in milliseconds. A
   * transfer that goes on is not ended, however slow. Bytes are taken while the peer acknowledges
   * what was sent before; where Node's sockets lie below (portable, TLS) that shows only in steps
   * of up to a third of the system's buffer. Default 30 000.
   */
  readonly sendStallTimeoutMs?: Limit;
  /**
   * The least rate at which a message may come in. It counts only while a read of the connection's
   * Reader waits for the rest of a message, after a grace. Default 'unlimited'.
   */
  readonly minReceiveRate?: ReceiveRate | 'unlimited';
  /** How long a connection may last in all, in milliseconds. Default 'unlimited'. */
  readonly maxLifetimeMs?: Limit;
}

/** The limits of a server as it works with them. Infinity: there is none. */
export interface Limits {
  readonly maxConnections: number;
  /** True: `maxConnections` was not given, so reaching it means that descriptors are short. */
  readonly maxIsDerived: boolean;
  readonly maxPerPeer: number;
  readonly acceptRate: AcceptRate | null;
  readonly firstByteMs: number;
  readonly idleMs: number;
  readonly sendStallMs: number;
  /** Bytes per second; 0: there is no such limit. */
  readonly receiveRate: number;
  readonly receiveGraceMs: number;
  readonly lifetimeMs: number;
  readonly lingerMs: number;
}

const DEFAULT_LINGER_MS = 2000;
const DEFAULT_FIRST_BYTE_MS = 60_000;
const DEFAULT_IDLE_MS = 300_000;
const DEFAULT_SEND_STALL_MS = 30_000;
const DEFAULT_RECEIVE_GRACE_MS = 5000;

/** Descriptors that are left to the program for files, its own connections, …. */
const SPARE_DESCRIPTORS = 16;
const MIN_CONNECTIONS = 8;

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

/** Throws for options that can be seen to be wrong. */
export function checkServerOptions(handler: unknown, options: ServerOptions): void {
  if (typeof handler !== 'function') throw wrongType('handler', 'a function', handler);
  checkKeys('options', options, KEYS);
  for (const name of ['onListening', 'onError', 'onClose', 'onDrained'] as const) {
    const given: unknown = options[name];
    if (given !== undefined && typeof given !== 'function') {
      throw wrongType(name, 'a function', given);
    }
  }
  if (options.lingerMs !== undefined) checkDuration('lingerMs', options.lingerMs);
  for (const name of TIME_LIMITS) checkLimit(name, options[name]);
  checkCount('maxConnections', options.maxConnections);
  checkCount('maxConnectionsPerPeer', options.maxConnectionsPerPeer);
  checkRates(options);
}

/** Throws for what is no limit: a number > 0, or 'unlimited'. */
export function checkLimit(name: string, value: Limit | undefined): void {
  if (value === undefined || value === 'unlimited') return;
  const expected = "a number > 0 or 'unlimited'";
  if (typeof value !== 'number') throw wrongType(name, expected, value);
  // 0 is "none" elsewhere; here it would end every connection at once.
  if (!(value > 0)) throw outOfRange(name, expected, value);
}

function checkCount(name: string, value: Limit | undefined): void {
  checkLimit(name, value);
  if (typeof value === 'number' && value !== Infinity) checkInteger(name, value, 1, 2 ** 31 - 1);
}

function checkRates({ minReceiveRate, maxAcceptRatePerPeer }: ServerOptions): void {
  if (minReceiveRate !== undefined && minReceiveRate !== 'unlimited') {
    checkKeys('minReceiveRate', minReceiveRate, { bytesPerSecond: true, graceMs: true });
    checkPositive('minReceiveRate.bytesPerSecond', minReceiveRate.bytesPerSecond);
    if (minReceiveRate.graceMs !== undefined) {
      checkPositive('minReceiveRate.graceMs', minReceiveRate.graceMs);
    }
  }
  if (maxAcceptRatePerPeer === undefined || maxAcceptRatePerPeer === 'unlimited') return;
  checkKeys('maxAcceptRatePerPeer', maxAcceptRatePerPeer, { count: true, perMs: true });
  checkInteger('maxAcceptRatePerPeer.count', maxAcceptRatePerPeer.count, 1, 2 ** 31 - 1);
  checkPositive('maxAcceptRatePerPeer.perMs', maxAcceptRatePerPeer.perMs);
}

function checkPositive(name: string, value: number): void {
  if (typeof value !== 'number') throw wrongType(name, 'a finite number > 0', value);
  if (!(value > 0 && value < Infinity)) throw outOfRange(name, 'a finite number > 0', value);
}

/** The limits in force on `network`, which is asked for descriptors only where they decide. */
export function resolveLimits(options: ServerOptions, network: Network): Limits {
  const { maxConnections, minReceiveRate, maxAcceptRatePerPeer } = options;
  const rate = minReceiveRate === 'unlimited' ? undefined : minReceiveRate;
  return {
    maxConnections:
      maxConnections === undefined ? defaultMaxConnections(network) : numberOf(maxConnections, 0),
    maxIsDerived: maxConnections === undefined,
    maxPerPeer: numberOf(options.maxConnectionsPerPeer, Infinity),
    acceptRate: maxAcceptRatePerPeer === 'unlimited' ? null : (maxAcceptRatePerPeer ?? null),
    firstByteMs: numberOf(options.firstByteTimeoutMs, DEFAULT_FIRST_BYTE_MS),
    idleMs: numberOf(options.idleTimeoutMs, DEFAULT_IDLE_MS),
    sendStallMs: numberOf(options.sendStallTimeoutMs, DEFAULT_SEND_STALL_MS),
    receiveRate: rate?.bytesPerSecond ?? 0,
    receiveGraceMs: rate?.graceMs ?? DEFAULT_RECEIVE_GRACE_MS,
    lifetimeMs: numberOf(options.maxLifetimeMs, Infinity),
    lingerMs: options.lingerMs ?? DEFAULT_LINGER_MS,
  };
}

/** Infinity: there is no such limit. */
export function numberOf(limit: Limit | undefined, otherwise: number): number {
  return limit === 'unlimited' ? Infinity : (limit ?? otherwise);
}

/** Where not accepting saves no descriptor, a limit would only make those wait who are there. */
function defaultMaxConnections(network: Network): number {
  if (!network.capabilities.pausesAccept) return Infinity;
  const free = freeDescriptors(network.limits());
  return free === Infinity ? Infinity : Math.max(MIN_CONNECTIONS, free - SPARE_DESCRIPTORS);
}

/** Infinity: not known here. */
export function freeDescriptors({ descriptors, openDescriptors }: NetworkLimits): number {
  return descriptors === undefined ? Infinity : descriptors - (openDescriptors ?? 0);
}
