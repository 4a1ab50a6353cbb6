/** What a server tells of itself: figures, the record of a connection, the report of a drain. */
import type { SocketAddress } from '../net/address.ts';
import type { HandshakeStats } from '../world/handshake.ts';
import type { Connection } from './connection.ts';

/** The limits that end a connection, by the names of their options. */
export type LimitName =
  | 'firstByteTimeoutMs'
  | 'idleTimeoutMs'
  | 'sendStallTimeoutMs'
  | 'minReceiveRate'
  | 'maxLifetimeMs';

/**
 * Why a connection has ended: its handler returned ('handler'; 'drained' after `stop()`), failed,
 * or failed because the peer had reset the connection; the server was cancelled, or its grace was
 * over ('cut'); a limit.
 */
export type CloseCause = 'handler' | 'drained' | 'failed' | 'peerReset' | 'cut' | LimitName;

/**
 * Why a connection was not accepted: a limit; it had waited in the queue while the system had no
 * descriptor left, for long ('shed'); it came from a proxy that did not say for whom
 * ('proxyHeader'), or from somebody else where only proxies may come ('untrusted').
 */
export type RefusalCause =
  | 'maxConnectionsPerPeer'
  | 'maxAcceptRatePerPeer'
  | 'shed'
  | 'proxyHeader'
  | 'untrusted';

/** A connection that has ended. */
export interface CloseRecord {
  readonly peer: SocketAddress;
  readonly reason: CloseCause;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** How long it lasted, in milliseconds. */
  readonly durationMs: number;
}

/** A connection that was left when the grace of a drain was over. */
export interface CutConnection {
  readonly peer: SocketAddress;
  /**
   * 'new': no byte had come; 'idle': none since the last answer; 'busy': the handler was sending,
   * or an answer was due; 'closing': the handler was through.
   */
  readonly state: 'new' | 'idle' | 'busy' | 'closing';
  /** What its task waited for: "sleep 40 ms"; '' if it did not wait. */
  readonly waitingOn: string;
  /** How long it had lasted, in milliseconds. */
  readonly durationMs: number;
}

/** How a server that was stopped came to its end. */
export interface DrainReport {
  /** The connections that were left at the end of the grace. */
  readonly cut: readonly CutConnection[];
  /** Connections whose handlers returned after the stop. */
  readonly drained: number;
  /** From the stop to the end of the last connection, in milliseconds. */
  readonly durationMs: number;
}

/** Figures of a server since it began. */
export interface ServerStats {
  /** The network it runs on: 'epoll', 'portable', 'sim'. */
  readonly backend: string;
  /** Connections that were given to handlers: `open`, and the sum of `closed`. */
  readonly accepted: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Of these, those whose handler waits for room to send. */
  readonly stalled: number;
  /** Connections that wait to be accepted now; `undefined`: not known (Unix sockets on epoll). */
  readonly queued: number | undefined;
  /** Connections that reached no handler, by cause. They are not in `accepted`. */
  readonly refused: Readonly<Record<RefusalCause, number>>;
  /** Connections that have ended, by cause. */
  readonly closed: Readonly<Record<CloseCause, number>>;
  /** Handlers that failed, without those of `resetByPeer`. */
  readonly failed: number;
  /** Handlers that ended because the peer had reset the connection, or was out of reach. */
  readonly resetByPeer: number;
  /** Bytes that all connections have received, and sent. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /**
   * How often accepting had to pause, because `maxConnections` were open or the system had no
   * descriptor left. 0 on a network that cannot leave connections in the system's queue.
   */
  readonly acceptPauses: number;
  /** Connections that were reset because the listener's queue was full; `undefined`: not known. */
  readonly overflowed: number | undefined;
  /**
   * Connections that the system dropped since the server began because a queue was full: those of
   * all listeners of the machine (ListenOverflows of Linux), as of a second ago. `undefined`: not
   * known.
   */
  readonly hostOverflowed: number | undefined;
  /** Handshakes of TLS; `undefined` without TLS. */
  readonly handshakes: HandshakeStats | undefined;
  /** Headers of the PROXY protocol; `undefined` without `proxyProtocol`. */
  readonly proxyHeaders: HandshakeStats | undefined;
  /**
   * How late the timer of the limits was when it last fired, in milliseconds: so the event loop
   * lagged behind, whoever kept it. It fires eight times in the shortest limit while connections
   * are open; 0 before that.
   */
  readonly lagMs: number;
  /** The longest time for which tasks have kept the event loop, in milliseconds; of the run. */
  readonly longestTurnMs: number;
}

/** What a server counts. */

export class Counters {
  accepted = 0;
  failed = 0;
  resetByPeer = 0;
  acceptPauses = 0;
  /** Of the connections that have ended; those of open ones stand on their sockets. */
  bytesReceived = 0;
  bytesSent = 0;
  readonly refused: Record<RefusalCause, number> = {
    maxConnectionsPerPeer: 0,
    maxAcceptRatePerPeer: 0,
    shed: 0,
    proxyHeader: 0,
    untrusted: 0,
  };
  readonly closed: Record<CloseCause, number> = {
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

/** What is noted while a server drains, for the report at its end. */

export class DrainRecorder {
  #stoppedAt = Infinity;
  #cut: readonly CutConnection[] = [];
  /** Made at the end. */
  report: DrainReport | undefined = undefined;

  begin(now: number): void {
    this.#stoppedAt = Math.min(this.#stoppedAt, now);
  }

  /** All that is open is cut now. Called before a handler has noticed: after that, what it waited
   *  for is gone. */
  recordCut(open: Iterable<Connection>, now: number): void {
    this.begin(now);
    this.#cut = Object.freeze(Array.from(open, (connection) => connection.cutRecord(now)));
  }

  end(drained: number, now: number): void {
    const durationMs = Math.max(0, now - this.#stoppedAt);
    this.report = Object.freeze({ cut: this.#cut, drained, durationMs });
  }
}
