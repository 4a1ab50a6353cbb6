/** `Server`, and the state that accepting, serving, time limits and the drain of a server share. */
import { runningTask } from '../kernel/current.ts';
import type { OperationSource, Wait } from '../kernel/operation.ts';
import type { Scheduler } from '../kernel/scheduler.ts';
import type { Scope } from '../kernel/scope/scope.ts';
import type { Group } from '../kernel/task/group.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { SocketAddress } from '../net/address.ts';
import { currentNetwork, currentWorld } from '../net/current-world.ts';
import type { AdmissionPolicy, FailedHandshake } from '../net/handshake/handshaking-listener.ts';
import type { Listener } from '../net/tcp/listener.ts';
import type { Socket } from '../net/tcp/socket.ts';
import type { Endpoint, Network } from '../world/network.ts';
import type { MetricDefinitions } from '../world/platform.ts';
import type { Connection } from './connection.ts';
import { ConnectionList } from './connection-list.ts';
import { Notifier } from './notifier.ts';
import type { Handler, Limits, ServerOptions } from './options.ts';
import { freeDescriptors, resolveLimits } from './options.ts';
import { PeerTable, peerKey } from './peer-table.ts';
import { Reporter } from './reporter.ts';
import { ServedConnection } from './served-connection.ts';
import type {
  CloseReason,
  CutConnection,
  DrainReport,
  LimitName,
  RefusalReason,
  ServerStats,
} from './stats.ts';
import { Counters, SERVER_METRICS } from './stats.ts';
import { TimeoutSweeper } from './timeout-sweeper.ts';

/**
 * A running server, as passed to `onListening`.
 *
 * It publishes on channels of node:diagnostics_channel; each message has the address of the server
 * as `server`. 'coronet:server:connection' ({ peer }): a connection was accepted.
 * 'coronet:server:close' (a CloseRecord): a connection has ended. 'coronet:server:limit'
 * ({ limit, peer }): a limit, or 'shed', has ended, refused or delayed connections; `peer` is set
 * if it concerns one peer.
 */
export interface Server {
  readonly address: SocketAddress;
  /** The network on which the server runs: 'epoll', 'portable', 'sim'. */
  readonly backend: string;
  /** The current statistics, as a frozen record. */
  stats(): ServerStats;
  /**
   * Drains the server. Queued connections are accepted as slots become free, then the listener is
   * closed. Idle connections receive end of file at `recv`, busy ones after they have answered.
   * Connections that are open after `graceMs` are cut.
   */
  stop(options?: { readonly graceMs?: number }): void;
  /** The result of the drain; `undefined` until a stopped server has ended. */
  readonly drainReport: DrainReport | undefined;
}

export class ServerImpl implements Server, AdmissionPolicy {
  readonly listener: Listener;
  readonly handler: Handler;
  /** Stopping this scope stops the server. */
  readonly scope: Scope;
  readonly limits: Limits;
  readonly backend: string;
  readonly network: Network;
  readonly scheduler: Scheduler;
  /** Definitions of the numbers in `stats()`, for /metrics. */
  readonly metrics: MetricDefinitions = SERVER_METRICS;
  readonly counters: Counters = new Counters();
  readonly reporter: Reporter;
  /** The open connections; changed by `addConnection` and `removeConnection` only. */
  readonly open: ConnectionList = new ConnectionList();
  /** The group that serves connections; null until it starts, and no connection is accepted
   *  before. */
  tasks: Group | null = null;
  /** True once stopped: connections that end from then on count as drained. */
  stopped = false;
  /** True: a connection that is accepted during a drain is drained at once, not by the drain. */
  drainsNewConnections = true;
  readonly #sweeper: TimeoutSweeper;
  /** Null: no limit per peer is set. */
  readonly #peers: PeerTable | null;
  /** Keys in `#peers` of connections that were admitted and are still in a handshake. */
  readonly #admitted = new Map<Endpoint, string>();
  readonly #hostOverflows: (now: number) => number | undefined;
  /** Notified when a connection ends, and when the listener is closed. */
  readonly #closes = new Notifier();
  #draining = false;
  /** For the drain report: when the server was stopped, and the connections that were cut. */
  #stoppedAt = Infinity;
  #cut: readonly CutConnection[] = [];
  drainReport: DrainReport | undefined = undefined;

  constructor(listener: Listener, handler: Handler, options: ServerOptions, scope: Scope) {
    this.listener = listener;
    this.handler = handler;
    this.scope = scope;
    this.network = currentNetwork();
    this.backend = this.network.backend;
    this.scheduler = runningTask().scheduler;
    this.reporter = new Reporter(this.address, options, this.scheduler, currentWorld().platform);
    this.limits = resolveLimits(options, this.network);
    this.#sweeper = new TimeoutSweeper(
      this.open,
      this.limits,
      this.scheduler,
      (connection, limit) => this.#limitExceeded(connection, limit),
    );
    const { maxPerPeer, acceptRate } = this.limits;
    this.#peers = maxPerPeer < Infinity || acceptRate !== null ? new PeerTable(this.limits) : null;
    this.#hostOverflows = countHostOverflows(this.network, this.scheduler.now());
    this.#checkDescriptors();
    const { proxyHeaders, tls } = listener.stages;
    if (proxyHeaders !== undefined) {
      proxyHeaders.onHandshakeFailed = (failure) => this.#proxyHeaderFailed(failure);
    }
    // Limits per peer apply before the cost of a TLS handshake.
    if (tls !== undefined) tls.admissionPolicy = this;
    scope.signal.addEventListener('abort', () => this.#recordCut(), { once: true });
  }

  get address(): SocketAddress {
    return this.listener.address;
  }

  stop(options: { readonly graceMs?: number } = {}): void {
    this.scope.stop(options);
  }

  // ---- connections ----

  /** True while `maxConnections` allows one more. */
  get hasFreeSlot(): boolean {
    return this.freeSlots > 0;
  }

  get freeSlots(): number {
    return this.limits.maxConnections - this.open.size;
  }

  /** Registers an accepted connection. Null: it was refused and has been reset. */
  addConnection(socket: Socket): ServedConnection | null {
    const { remote } = socket.transport;
    const isCounted = this.#admitted.has(remote);
    if (!isCounted && !this.admits(remote)) {
      socket.reset();
      return null;
    }
    const key = this.#admitted.get(remote);
    this.#admitted.delete(remote);
    const connection = new ServedConnection(this, socket, key);
    this.counters.accepted++;
    this.open.add(connection);
    this.#sweeper.start();
    if (this.#draining && this.drainsNewConnections) socket.drain();
    this.reporter.connected(socket);
    return connection;
  }

  /** Runs `work` as the task of the connection, named after the peer. */
  spawn(connection: Connection, work: OperationSource<void>): void {
    connection.task = (this.tasks as Group).spawn(work, { name: connection }) as TaskImpl;
  }

  /** Whether the limits per peer allow one more connection; if so it is counted. */
  admits(remote: Endpoint): boolean {
    const peer = this.#peers === null ? undefined : new SocketAddress(remote);
    const key = peer && peerKey(peer);
    if (key === undefined) return true;
    const refusal = this.#peers?.admit(key, this.scheduler.now()) ?? null;
    if (refusal === null) this.#admitted.set(remote, key);
    else this.refused(refusal, 1, peer);
    return refusal === null;
  }

  /** An admitted connection has failed in its handshake. */
  released(remote: Endpoint): void {
    const key = this.#admitted.get(remote);
    if (key !== undefined) this.#peers?.release(key);
    this.#admitted.delete(remote);
  }

  /** Unregisters a connection whose socket has been closed. */
  removeConnection(connection: Connection, reason: CloseReason): void {
    const { counters } = this;
    const { socket, peerKey: key } = connection;
    this.open.delete(connection);
    if (this.open.size === 0) this.#sweeper.stop();
    const { lastStage } = this.listener;
    if (lastStage !== undefined) lastStage.acceptBatch = this.freeSlots;
    if (key !== undefined) this.#peers?.release(key);
    counters.closed[reason]++;
    counters.bytesReceived += socket.bytesReceived;
    counters.bytesSent += socket.bytesSent;
    this.reporter.closed(() => connection.closeRecord(reason, this.scheduler.now()));
    this.#closes.notify();
  }

  refused(reason: RefusalReason, count: number, peer?: SocketAddress): void {
    this.counters.refused[reason] += count;
    this.reporter.limited(reason, peer);
  }

  #proxyHeaderFailed({ error, remote }: FailedHandshake): void {
    const peer = new SocketAddress(remote);
    const isUntrusted = error.code === 'ERR_PROXY_UNTRUSTED';
    this.refused(isUntrusted ? 'untrusted' : 'proxyHeader', 1, peer);
    // Untrusted peers can connect at any rate, and that is not an error of the proxy.
    if (isUntrusted) this.reporter.warn(error.message);
    else this.reporter.proxyHeaderFailed(error, peer);
  }

  #limitExceeded(connection: Connection, limit: LimitName): void {
    this.reporter.limited(limit, connection.socket.remoteAddress);
    connection.cut(limit);
  }

  /** Waits until a connection ends or the listener is closed. Cancel: no effect. */
  waitForClose(): Generator<Wait, void> {
    return this.#closes.wait('the end of a connection');
  }

  // ---- shutdown ----

  beginStop(): void {
    this.stopped = true;
    this.#stoppedAt = Math.min(this.#stoppedAt, this.scheduler.now());
  }

  /** Drains the connections that were accepted by `until`: `recv` returns end of file once they
   *  are idle. */
  drain(until: number = Infinity): void {
    this.#draining = true;
    for (const { openedAt, socket } of this.open) if (openedAt <= until) socket.drain();
  }

  closeListener(): void {
    this.listener.close();
    this.#closes.notify();
  }

  /** The grace period is over, or the server was cancelled; no handler has resumed yet. */
  #recordCut(): void {
    if (!this.scope.stopping) return;
    const now = this.scheduler.now();
    this.#stoppedAt = Math.min(this.#stoppedAt, now);
    this.#cut = Object.freeze(Array.from(this.open, (connection) => connection.cutRecord(now)));
  }

  /** Called when the last connection has ended. */
  end(): void {
    this.#sweeper.stop();
    if (!this.scope.stopping) return;
    const { drained } = this.counters.closed;
    const durationMs = Math.max(0, this.scheduler.now() - this.#stoppedAt);
    this.drainReport = Object.freeze({ cut: this.#cut, drained, durationMs });
    this.reporter.drained(this.drainReport);
  }

  // ---- statistics ----

  stats(): ServerStats {
    const { refused, closed, ...counts } = this.counters;
    const { transport, handshakes, proxyHeaders } = this.listener;
    return Object.freeze({
      backend: this.backend,
      ...counts,
      ...this.#traffic(),
      open: this.open.size,
      queued: transport.queued,
      refused: Object.freeze({ ...refused }),
      closed: Object.freeze({ ...closed }),
      overflowed: transport.overflowed,
      hostOverflowed: this.#hostOverflows(this.scheduler.now()),
      handshakes,
      proxyHeaders,
      lagMs: this.#sweeper.lagMs,
      longestTurnMs: this.scheduler.longestMs,
    });
  }

  /** The sockets count for open connections, so that a message costs the server nothing. */
  #traffic(): { bytesReceived: number; bytesSent: number; stalled: number } {
    this.network.sendQueued?.(); // Otherwise their senders would appear to be stalled.
    let { bytesReceived, bytesSent } = this.counters;
    let stalled = 0;
    for (const { socket } of this.open) {
      bytesReceived += socket.bytesReceived;
      bytesSent += socket.bytesSent;
      if (socket.transport.sendWaiter !== null) stalled++;
    }
    return { bytesReceived, bytesSent, stalled };
  }

  /** Reports at the start that `maxConnections` exceeds what the system allows. */
  #checkDescriptors(): void {
    const { maxIsDerived, maxConnections } = this.limits;
    if (maxIsDerived || maxConnections === Infinity) return;
    const system = this.network.limits();
    if (maxConnections <= freeDescriptors(system)) return;
    this.reporter.report(
      `maxConnections is ${maxConnections}, but this process may have ${system.descriptors} ` +
        `descriptors, and ${system.openDescriptors} are in use. Raise \`ulimit -n\`.`,
    );
  }
}

/** Reading the counter of the machine costs system calls, so it is cached for this time. */
const READ_INTERVAL_MS = 1000;

/** Returns a function that counts the connections that the system has dropped from now on. */
function countHostOverflows(
  network: Network,
  startedAt: number,
): (now: number) => number | undefined {
  const initial = network.listenOverflows?.();
  let latest = initial;
  let readAt = startedAt;
  return (now) => {
    if (initial === undefined) return undefined;
    if (now - readAt >= READ_INTERVAL_MS) {
      readAt = now;
      latest = network.listenOverflows?.();
    }
    return (latest ?? initial) - initial;
  };
}
