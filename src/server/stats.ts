/** Statistics of a server, the record of a closed connection, and the report of a drain. */
import type { SocketAddress } from '../net/address.ts';
import type { HandshakeStats } from '../world/handshake.ts';
import type { MetricDefinition } from '../world/platform.ts';

/** The limits that end a connection, by the names of their options. */
export type LimitName =
  | 'firstByteTimeoutMs'
  | 'idleTimeoutMs'
  | 'sendStallTimeoutMs'
  | 'minReceiveRate'
  | 'maxLifetimeMs';

/**
 * Why a connection has ended. 'handler': its handler returned; 'drained': the same after `stop()`;
 * 'failed': its handler failed; 'peerReset': its handler failed because the peer reset the
 * connection; 'cut': the server was cancelled, or its grace period ended; otherwise a limit.
 */
export type CloseReason = 'handler' | 'drained' | 'failed' | 'peerReset' | 'cut' | LimitName;

/**
 * Why a connection did not reach a handler. 'maxConnectionsPerPeer', 'maxAcceptRatePerPeer': a
 * limit; 'shed': it was reset in the accept queue during a long shortage of descriptors;
 * 'proxyHeader': a trusted proxy did not send a valid PROXY header; 'untrusted': it did not come
 * from a trusted proxy.
 */
export type RefusalReason =
  | 'maxConnectionsPerPeer'
  | 'maxAcceptRatePerPeer'
  | 'shed'
  | 'proxyHeader'
  | 'untrusted';

/** A connection that has ended. */
export interface CloseRecord {
  readonly peer: SocketAddress;
  readonly reason: CloseReason;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** How long the connection was open, in milliseconds. */
  readonly durationMs: number;
}

/** A connection that was cut at the end of the grace period of a drain. */
export interface CutConnection {
  readonly peer: SocketAddress;
  /**
   * 'new': no byte was received; 'idle': no byte was received since the last response; 'busy': the
   * handler was sending, or a response was due; 'closing': the handler had ended.
   */
  readonly state: 'new' | 'idle' | 'busy' | 'closing';
  /** The wait of its task: "sleep 40 ms"; '' if the task did not wait. */
  readonly waitingOn: string;
  /** How long the connection was open, in milliseconds. */
  readonly durationMs: number;
}

/** The result of a drain. */
export interface DrainReport {
  /** The connections that were open at the end of the grace period. */
  readonly cut: readonly CutConnection[];
  /** Number of connections whose handlers returned after the stop. */
  readonly drained: number;
  /** Time from the stop to the end of the last connection, in milliseconds. */
  readonly durationMs: number;
}

/** Statistics of a server since it started. */
export interface ServerStats {
  /** The network on which the server runs: 'epoll', 'portable', 'sim'. */
  readonly backend: string;
  /** Connections that reached a handler: `open` plus the sum of `closed`. */
  readonly accepted: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Open connections whose handler waits to send. */
  readonly stalled: number;
  /** Connections in the accept queue now; `undefined`: not known (Unix sockets on epoll). */
  readonly queued: number | undefined;
  /** Connections that did not reach a handler, by reason. `accepted` does not include them. */
  readonly refused: Readonly<Record<RefusalReason, number>>;
  /** Connections that have ended, by reason. */
  readonly closed: Readonly<Record<CloseReason, number>>;
  /** Handlers that failed, except those in `resetByPeer`. */
  readonly failed: number;
  /** Handlers that ended because the peer reset the connection or became unreachable. */
  readonly resetByPeer: number;
  /** Bytes received and sent on all connections. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /**
   * How often accepting was paused, because `maxConnections` were open or no descriptor was left.
   * 0 on a network that cannot leave connections in the system's queue.
   */
  readonly acceptPauses: number;
  /** Connections that were reset because the queue of the listener was full or descriptors were
   *  short (portable network); `undefined`: not known. */
  readonly overflowed: number | undefined;
  /**
   * Connections that the system dropped since the server started because an accept queue was full,
   * for all listeners of the machine (ListenOverflows of Linux), up to one second old. `undefined`:
   * not known.
   */
  readonly hostOverflowed: number | undefined;
  /** TLS handshakes; `undefined` without TLS. */
  readonly handshakes: HandshakeStats | undefined;
  /** PROXY headers; `undefined` without `proxyProtocol`. */
  readonly proxyHeaders: HandshakeStats | undefined;
  /**
   * How late the timer of the time limits last fired, in milliseconds: the lag of the event loop,
   * whatever its cause. The timer fires eight times in the shortest limit while connections are
   * open; 0 before the first time.
   */
  readonly lagMs: number;
  /** The longest time for which tasks kept the event loop, in milliseconds, since the run began. */
  readonly longestTurnMs: number;
}

type HandshakeMetric = Exclude<keyof HandshakeStats, 'lastFailure'>;

/** The numbers in ServerStats. A number in a nested record is named 'handshakes.pending'; `refused`
 *  and `closed` have one definition for all their numbers. */
type ServerMetric =
  | Exclude<keyof ServerStats, 'backend' | 'handshakes' | 'proxyHeaders'>
  | `${'handshakes' | 'proxyHeaders'}.${HandshakeMetric}`;

const TLS_HELP = 'TLS handshakes, by state.';
const PROXY_HELP = 'PROXY headers, by state.';

/** The one declaration of each metric of a server: for /metrics and for the totals of workers. */
export const SERVER_METRICS: Readonly<Record<ServerMetric, MetricDefinition>> = {
  accepted: counter('Connections that reached a handler.'),
  open: gauge('Open connections.'),
  stalled: gauge('Open connections whose handler waits to send.'),
  queued: gauge('Connections in the accept queue.'),
  refused: counter('Connections that did not reach a handler, by reason.'),
  closed: counter('Connections that have ended, by reason.'),
  failed: counter('Handlers that failed.'),
  resetByPeer: counter('Handlers that ended because the peer reset the connection.'),
  bytesReceived: counter('Bytes received on all connections.'),
  bytesSent: counter('Bytes sent on all connections.'),
  acceptPauses: counter('Pauses of accepting.'),
  overflowed: counter('Connections reset because the queue was full or descriptors were short.'),
  hostOverflowed: counter('Connections dropped because an accept queue of the machine was full.'),
  'handshakes.pending': gauge(TLS_HELP),
  'handshakes.waiting': gauge(TLS_HELP),
  'handshakes.completed': counter(TLS_HELP),
  'handshakes.failed': counter(TLS_HELP),
  'handshakes.timedOut': counter(TLS_HELP),
  'proxyHeaders.pending': gauge(PROXY_HELP),
  'proxyHeaders.waiting': gauge(PROXY_HELP),
  'proxyHeaders.completed': counter(PROXY_HELP),
  'proxyHeaders.failed': counter(PROXY_HELP),
  'proxyHeaders.timedOut': counter(PROXY_HELP),
  lagMs: longest('How late the timer of the time limits last fired.'),
  longestTurnMs: longest('The longest time for which tasks kept the event loop.'),
};

export function counter(help: string): MetricDefinition {
  return { kind: 'counter', help };
}

export function gauge(help: string): MetricDefinition {
  return { kind: 'gauge', help };
}

/** A time of which the maximum matters. */
export function longest(help: string): MetricDefinition {
  return { kind: 'gauge', unit: 'milliseconds', total: 'maximum', help };
}

/** The numbers in the record `stats` by name; one in a nested record is named 'closed.cut'. */
export function* numbersIn(stats: object): Generator<readonly [name: string, value: number]> {
  for (const [name, value] of Object.entries(stats)) {
    if (typeof value === 'number') yield [name, value];
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, nested] of Object.entries(value)) {
      if (typeof nested === 'number') yield [`${name}.${key}`, nested];
    }
  }
}

/** The counters of a server. Bytes of open connections are counted by their sockets. */
export class Counters {
  accepted = 0;
  failed = 0;
  resetByPeer = 0;
  acceptPauses = 0;
  bytesReceived = 0;
  bytesSent = 0;
  readonly refused: Record<RefusalReason, number> = {
    maxConnectionsPerPeer: 0,
    maxAcceptRatePerPeer: 0,
    shed: 0,
    proxyHeader: 0,
    untrusted: 0,
  };
  readonly closed: Record<CloseReason, number> = {
    handler: 0,
    drained: 0,
    failed: 0,
    peerReset: 0,
    cut: 0,
    firstByteTimeoutMs: 0,
    idleTimeoutMs: 0,
    sendStallTimeoutMs: 0,
    minReceiveRate: 0,
    maxLifetimeMs: 0,
  };
}
