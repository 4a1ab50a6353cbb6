/** A server from the inside: what accepting, serving, watching and draining share. */
import { runningTask } from '../kernel/current.ts';
import type { Operation, OperationSource, Wait } from '../kernel/operation.ts';
import { Parking, ParkingQueue } from '../kernel/parking.ts';
import type { Scheduler } from '../kernel/scheduler.ts';
import type { Scope } from '../kernel/scope/scope.ts';
import type { Group } from '../kernel/task/group.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { park } from '../kernel/waits.ts';
import { SocketAddress } from '../net/address.ts';
import { currentNetwork, currentWorld } from '../net/current-world.ts';
import type { AdmissionPolicy, FailedHandshake } from '../net/handshake/handshaking-listener.ts';
import type { Listener } from '../net/tcp/listener.ts';
import type { Socket } from '../net/tcp/socket.ts';
import type { Endpoint, Network } from '../world/network.ts';
import { Connection } from './connection.ts';
import type { Limits, ServerOptions } from './options.ts';
import { freeDescriptors, resolveLimits } from './options.ts';
import { PeerTable, peerKey } from './peer-table.ts';
import { Reporter } from './reporter.ts';
import type {
  CloseCause,
  CloseRecord,
  DrainReport,
  LimitName,
  RefusalCause,
  ServerStats,
} from './stats.ts';
import { Counters, DrainRecorder } from './stats.ts';
import { TimeoutSweeper } from './timeout-sweeper.ts';

export class ServerImpl implements Server, AdmissionPolicy {
  readonly listener: Listener;
  readonly options: ServerOptions;
  readonly limits: Limits;
  readonly backend: string;
  readonly network: Network;
  readonly scheduler: Scheduler;
  readonly counters: Counters = new Counters();
  readonly reporter: Reporter;
  readonly open: ReadonlySet<Connection>;
  /** Where connections are served; null until the group has begun, and nobody comes in before. */
  tasks: Group | null = null;
  /** True once stopped: what ends from now on was drained. */
  stopped = false;
  /** Whoever comes in during a drain is drained at once. False: the drain does it, in its time. */
  drainsNewConnections = true;
  readonly #open = new Set<Connection>();
  /** The scope of the server: stopping it is stopping the server. */
  readonly #scope: Scope;
  readonly #sweeper: TimeoutSweeper;
  /** Null where peers are not limited. */
  readonly #peers: PeerTable | null;
  /** Under which those are counted who were admitted and have not come in yet. */
  readonly #admitted = new Map<Endpoint, string>();
  readonly #drainRecorder = new DrainRecorder();
  readonly #hostOverflows: HostOverflowCounter;
  /** Where accepting, and a drain, wait until a connection ends. */
  readonly #closeWaiters = new ParkingQueue();
  #draining = false;

  constructor(listener: Listener, options: ServerOptions, scope: Scope) {
    this.listener = listener;
    this.options = options;
    this.network = currentNetwork();
    this.backend = this.network.backend;
    this.scheduler = runningTask().scheduler;
    this.reporter = new Reporter(this.address, options, this.scheduler, currentWorld().platform);
    this.limits = resolveLimits(options, this.network);
    this.open = this.#open;
    this.#scope = scope;
    this.#sweeper = new TimeoutSweeper(
      this.#open,
      this.limits,
      this.scheduler,
      (connection, limit) => this.#limitExceeded(connection, limit),
    );
    const { maxPerPeer, acceptRate } = this.limits;
    this.#peers = maxPerPeer < Infinity || acceptRate !== null ? new PeerTable(this.limits) : null;
    this.#hostOverflows = new HostOverflowCounter(this.network, this.scheduler.now());
    this.#checkDescriptors();
    const { proxyHeaders, tls } = listener.stages;
    if (proxyHeaders !== undefined)
      proxyHeaders.onHandshakeFailed = (failure) => this.#proxyHeaderFailed(failure);
    // Peers are limited before they cost a handshake.
    if (tls !== undefined) tls.admissionPolicy = this;
    scope.signal.addEventListener('abort', () => this.#recordCut(), { once: true });
  }

  get address(): SocketAddress {
    return this.listener.address;
  }

  stop(options: { readonly graceMs?: number } = {}): void {
    this.#scope.stop(options);
  }

  // ---- connections ----

  /** True while `maxConnections` allows one more. */
  get hasFreeSlot(): boolean {
    return this.freeSlots > 0;
  }

  get freeSlots(): number {
    return this.limits.maxConnections - this.#open.size;
  }

  /** A connection has come in. Null: it is refused, and has been reset. */
  addConnection(socket: Socket): Connection | null {
    const { remote } = socket.transport;
    const isCounted = this.#admitted.has(remote);
    if (!isCounted && !this.admits(remote)) {
      socket.reset();
      return null;
    }
    const now = this.scheduler.now();
    const key = this.#admitted.get(remote);
    this.#admitted.delete(remote);
    const connection = new Connection(socket, key, now);
    this.counters.accepted++;
    this.#open.add(connection);
    this.#sweeper.start();
    if (this.#draining && this.drainsNewConnections) socket.drain();
    this.reporter.connected(socket);
    return connection;
  }

  /** What is to be done for a connection from now on, in a task named after its peer. */
  spawn(connection: Connection, work: OperationSource<void>): void {
    const name = connection.socket.remoteAddress;
    connection.task = (this.tasks as Group).spawn(work, { name }) as TaskImpl;
  }

  /** Whether a peer may have one more connection, which is counted then. */
  admits(remote: Endpoint): boolean {
    const peer = this.#peers === null ? undefined : new SocketAddress(remote);
    const key = peer && peerKey(peer);
    if (key === undefined) return true;
    const refusal = this.#peers?.admit(key, this.scheduler.now()) ?? null;
    if (refusal === null) this.#admitted.set(remote, key);
    else this.refused(refusal, 1, peer);
    return refusal === null;
  }

  /** One that was admitted does not come in. */
  released(remote: Endpoint): void {
    const key = this.#admitted.get(remote);
    if (key !== undefined) this.#peers?.release(key);
    this.#admitted.delete(remote);
  }

  /** A connection has ended, because of `why`, and its socket is closed. */
  removeConnection(connection: Connection, why: CloseCause): void {
    const { counters } = this;
    const { socket, peerKey: key } = connection;
    this.#open.delete(connection);
    if (this.#open.size === 0) this.#sweeper.stop();
    const gate = this.listener.lastStage;
    if (gate !== undefined) gate.acceptBatch = this.freeSlots;
    if (key !== undefined) this.#peers?.release(key);
    counters.closed[why]++;
    counters.bytesReceived += socket.bytesReceived;
    counters.bytesSent += socket.bytesSent;
    this.reporter.closed((): CloseRecord => connection.closeRecord(why, this.scheduler.now()));
    this.#notifyClosed();
  }

  refused(cause: RefusalCause, count: number, peer?: SocketAddress): void {
    this.counters.refused[cause] += count;
    this.reporter.limited(cause, peer);
  }

  /** The proxy, or somebody who is none. */
  #proxyHeaderFailed({ error, remote }: FailedHandshake): void {
    const peer = new SocketAddress(remote);
    const isStranger = error.code === 'ERR_PROXY_UNTRUSTED';
    this.refused(isStranger ? 'untrusted' : 'proxyHeader', 1, peer);
    // Strangers may come as often as they like: they are no failure of anybody here.
    if (isStranger) this.reporter.warn(error.message);
    else this.reporter.proxyHeaderFailed(error, peer);
  }

  #limitExceeded(connection: Connection, limit: LimitName): void {
    this.reporter.limited(limit, connection.socket.remoteAddress);
    connection.cut(limit);
  }

  /** Waits until a connection ends, or the door is closed. Cancel: nothing has happened. */
  *waitForClose(): Generator<Wait, void> {
    const place = new Parking('the end of a connection');
    this.#closeWaiters.push(place);
    yield* park(place) as Operation<void>;
  }

  #notifyClosed(): void {
    for (let left = this.#closeWaiters.size; left > 0; left--) this.#closeWaiters.first?.wake();
  }

  // ---- the end ----

  /** The server has been asked to come to its end. */
  beginStop(): void {
    this.stopped = true;
    this.#drainRecorder.begin(this.scheduler.now());
  }

  /** From now on, idle connections that have begun by `until` have come to their end. */
  drain(until: number = Infinity): void {
    this.#draining = true;
    for (const { openedAt, socket } of this.#open) if (openedAt <= until) socket.drain();
  }

  /** Nobody else comes in. */
  closeListener(): void {
    this.listener.close();
    this.#notifyClosed();
  }

  /** The grace is over, or somebody has cancelled the server. No handler has noticed yet. */
  #recordCut(): void {
    if (this.#scope.stopping) this.#drainRecorder.recordCut(this.#open, this.scheduler.now());
  }

  /** The last connection has ended. */
  end(): void {
    this.#sweeper.stop();
    if (!this.#scope.stopping) return;
    this.#drainRecorder.end(this.counters.closed.drained, this.scheduler.now());
    if (this.drainReport !== undefined) this.reporter.drained(this.drainReport);
  }

  get drainReport(): DrainReport | undefined {
    return this.#drainRecorder.report;
  }

  // ---- figures ----

  stats(): ServerStats {
    const { counters, backend } = this;
    const { accepted, failed, resetByPeer, acceptPauses } = counters;
    const { bytesReceived, bytesSent, stalled } = this.#traffic();
    return Object.freeze({
      backend,
      accepted,
      open: this.#open.size,
      stalled,
      queued: this.listener.transport.queued,
      refused: Object.freeze({ ...counters.refused }),
      closed: Object.freeze({ ...counters.closed }),
      failed,
      resetByPeer,
      bytesReceived,
      bytesSent,
      acceptPauses,
      overflowed: this.listener.transport.overflowed,
      hostOverflowed: this.#hostOverflows.overflowed(this.scheduler.now()),
      handshakes: this.listener.handshakes,
      proxyHeaders: this.listener.proxyHeaders,
      lagMs: this.#sweeper.lagMs,
      longestTurnMs: this.scheduler.longestMs,
    });
  }

  /** What concerns open connections stands on their sockets, where keeping it costs nothing:
   *  whoever asks pays for a walk. */
  #traffic(): { bytesReceived: number; bytesSent: number; stalled: number } {
    let { bytesReceived, bytesSent } = this.counters;
    let stalled = 0;
    for (const { socket } of this.#open) {
      bytesReceived += socket.bytesReceived;
      bytesSent += socket.bytesSent;
      if (socket.transport.sendWaiter !== null) stalled++;
    }
    return { bytesReceived, bytesSent, stalled };
  }

  /** That a limit cannot be reached is better known now than in the night in which it counts. */
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

/** The figure of the machine costs a system call or two: so often it is asked for. */
const READ_INTERVAL_MS = 1000;

/** What the system dropped since a server began. */
class HostOverflowCounter {
  readonly #network: Network;
  readonly #initial: number | undefined;
  #latest: number | undefined;
  #readAt: number;

  constructor(network: Network, now: number) {
    this.#network = network;
    this.#initial = network.listenOverflows?.();
    this.#latest = this.#initial;
    this.#readAt = now;
  }

  overflowed(now: number): number | undefined {
    if (this.#initial === undefined) return undefined;
    if (now - this.#readAt >= READ_INTERVAL_MS) {
      this.#readAt = now;
      this.#latest = this.#network.listenOverflows?.();
    }
    return (this.#latest ?? this.#initial) - this.#initial;
  }
}

/** What a server is to the outside: its address, its figures, its end. */

export type { Handler, ServerOptions } from './options.ts';
export type { ServerStats } from './stats.ts';

/**
 * A running server, as `onListening` gets it.
 *
 * What happens to its connections is also told on channels of node:diagnostics_channel, each
 * message with the address of the server as `server`: 'coronet:server:connection' ({ peer }),
 * 'coronet:server:close' (a CloseRecord), 'coronet:server:limit' ({ limit, peer }: a limit, 'shed'
 * included, has ended, refused or held back connections; `peer` where it was one).
 */
export interface Server {
  readonly address: SocketAddress;
  /** The network it runs on: 'epoll', 'portable', 'sim'. */
  readonly backend: string;
  /** The figures now, as a frozen record. */
  stats(): ServerStats;
  /**
   * Drains: what waits to be accepted is accepted, as soon as there is room, and the listener is
   * closed; idle connections get end of file at `recv`, busy ones once they have answered. What is
   * left after `graceMs` is cut.
   */
  stop(options?: { readonly graceMs?: number }): void;
  /** How the server came to its end after a stop; `undefined` before that end. */
  readonly drainReport: DrainReport | undefined;
}
