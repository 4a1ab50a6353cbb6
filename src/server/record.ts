/** A server from the inside: what accepting, serving, watching and draining share. */
import { currentRecord } from '../kernel/current.ts';
import type { Group } from '../kernel/group.ts';
import type { Operation, OperationSource, Wait } from '../kernel/operation.ts';
import { Parking, ParkingQueue } from '../kernel/parking.ts';
import type { Scheduler } from '../kernel/scheduler.ts';
import type { Scope } from '../kernel/scope.ts';
import type { TaskRecord } from '../kernel/task.ts';
import { park } from '../kernel/waits.ts';
import { SocketAddress } from '../net/address.ts';
import type { Doorkeeper, GateFailure } from '../net/gated-listener.ts';
import type { Listener } from '../net/listener.ts';
import type { Socket } from '../net/socket.ts';
import { currentNetwork, currentWorld } from '../net/world.ts';
import type { Endpoint, Network } from '../world/network.ts';
import { ConnectionRecord } from './connection-record.ts';
import { DrainRecord } from './drain-record.ts';
import type { Limits, ServerOptions } from './options.ts';
import { freeDescriptors, limitsOf } from './options.ts';
import { PeerTable, peerKey } from './peers.ts';
import type {
  CloseCause,
  CloseRecord,
  DrainReport,
  LimitName,
  RefusalCause,
  ServerStats,
} from './reports.ts';
import type { Server } from './server.ts';
import { Tally } from './tally.ts';
import { Teller } from './teller.ts';
import { Watch } from './watch.ts';

export class ServerRecord implements Server, Doorkeeper {
  readonly listener: Listener;
  readonly options: ServerOptions;
  readonly limits: Limits;
  readonly backend: string;
  readonly network: Network;
  readonly scheduler: Scheduler;
  readonly tally: Tally = new Tally();
  readonly teller: Teller;
  readonly open: ReadonlySet<ConnectionRecord>;
  /** Where connections are served; null until the group has begun, and nobody comes in before. */
  tasks: Group | null = null;
  /** True once stopped: what ends from now on was drained. */
  stopped = false;
  /** Whoever comes in during a drain is drained at once. False: the drain does it, in its time. */
  drainsNewcomers = true;
  readonly #open = new Set<ConnectionRecord>();
  /** The scope of the server: stopping it is stopping the server. */
  readonly #scope: Scope;
  readonly #watch: Watch;
  /** Null where peers are not limited. */
  readonly #peers: PeerTable | null;
  /** Under which those are counted who were admitted and have not come in yet. */
  readonly #admitted = new Map<Endpoint, string>();
  readonly #drain = new DrainRecord();
  readonly #hostQueues: HostQueues;
  /** Where accepting, and a drain, wait until a connection ends. */
  readonly #departures = new ParkingQueue();
  #draining = false;

  constructor(listener: Listener, options: ServerOptions, scope: Scope) {
    this.listener = listener;
    this.options = options;
    this.network = currentNetwork();
    this.backend = this.network.backend;
    this.scheduler = currentRecord().scheduler;
    this.teller = new Teller(this.address, options, this.scheduler, currentWorld().platform);
    this.limits = limitsOf(options, this.network);
    this.open = this.#open;
    this.#scope = scope;
    this.#watch = new Watch(this.#open, this.limits, this.scheduler, (connection, limit) =>
      this.#passed(connection, limit),
    );
    const { perPeer, acceptRate } = this.limits;
    this.#peers = perPeer < Infinity || acceptRate !== null ? new PeerTable(this.limits) : null;
    this.#hostQueues = new HostQueues(this.network, this.scheduler.now());
    this.#checkDescriptors();
    const { proxies, tls } = listener.gates;
    if (proxies !== undefined) proxies.onFailed = (failure) => this.#refusedAtGate(failure);
    // Peers are limited before they cost a handshake.
    if (tls !== undefined) tls.doorkeeper = this;
    scope.signal.addEventListener('abort', () => this.#cutOff(), { once: true });
  }

  get address(): SocketAddress {
    return this.listener.address;
  }

  stop(options: { readonly graceMs?: number } = {}): void {
    this.#scope.stop(options);
  }

  // ---- connections ----

  /** True while `maxConnections` allows one more. */
  get hasRoom(): boolean {
    return this.room > 0;
  }

  get room(): number {
    return this.limits.maxConnections - this.#open.size;
  }

  /** A connection has come in. Null: it is refused, and has been reset. */
  enter(socket: Socket): ConnectionRecord | null {
    const { remote } = socket.transport;
    const isCounted = this.#admitted.has(remote);
    if (!isCounted && !this.admits(remote)) {
      socket.reset();
      return null;
    }
    const now = this.scheduler.now();
    const key = this.#admitted.get(remote);
    this.#admitted.delete(remote);
    const connection = new ConnectionRecord(socket, key, now);
    this.tally.accepted++;
    this.#open.add(connection);
    this.#watch.begin();
    if (this.#draining && this.drainsNewcomers) socket.drain();
    this.teller.connected(socket);
    return connection;
  }

  /** What is to be done for a connection from now on, in a task named after its peer. */
  spawn(connection: ConnectionRecord, work: OperationSource<void>): void {
    const name = connection.socket.remoteAddress;
    connection.task = (this.tasks as Group).spawn(work, { name }) as TaskRecord;
  }

  /** Whether a peer may have one more connection, which is counted then. */
  admits(remote: Endpoint): boolean {
    const peer = this.#peers === null ? undefined : new SocketAddress(remote);
    const key = peer && peerKey(peer);
    if (key === undefined) return true;
    const refusal = this.#peers?.enter(key, this.scheduler.now()) ?? null;
    if (refusal === null) this.#admitted.set(remote, key);
    else this.refused(refusal, 1, peer);
    return refusal === null;
  }

  /** One that was admitted does not come in. */
  dismissed(remote: Endpoint): void {
    const key = this.#admitted.get(remote);
    if (key !== undefined) this.#peers?.leave(key);
    this.#admitted.delete(remote);
  }

  /** A connection has ended, because of `why`, and its socket is closed. */
  leave(connection: ConnectionRecord, why: CloseCause): void {
    const { tally } = this;
    const { socket, peerKey: key } = connection;
    this.#open.delete(connection);
    if (this.#open.size === 0) this.#watch.end();
    const gate = this.listener.lastGate;
    if (gate !== undefined) gate.ahead = this.room;
    if (key !== undefined) this.#peers?.leave(key);
    tally.closed[why]++;
    tally.bytesReceived += socket.bytesReceived;
    tally.bytesSent += socket.bytesSent;
    this.teller.closed((): CloseRecord => connection.ended(why, this.scheduler.now()));
    this.#departed();
  }

  refused(cause: RefusalCause, count: number, peer?: SocketAddress): void {
    this.tally.refused[cause] += count;
    this.teller.limited(cause, peer);
  }

  /** The proxy, or somebody who is none. */
  #refusedAtGate({ error, remote }: GateFailure): void {
    const peer = new SocketAddress(remote);
    const isStranger = error.code === 'ERR_PROXY_UNTRUSTED';
    this.refused(isStranger ? 'untrusted' : 'proxyHeader', 1, peer);
    // Strangers may come as often as they like: they are no failure of anybody here.
    if (isStranger) this.teller.warn(error.message);
    else this.teller.refused(error, peer);
  }

  #passed(connection: ConnectionRecord, limit: LimitName): void {
    this.teller.limited(limit, connection.socket.remoteAddress);
    connection.cut(limit);
  }

  /** Waits until a connection ends, or the door is closed. Cancel: nothing has happened. */
  *departure(): Generator<Wait, void> {
    const place = new DeparturePlace();
    this.#departures.push(place);
    yield* park(place) as Operation<void>;
  }

  #departed(): void {
    for (let left = this.#departures.size; left > 0; left--) this.#departures.first?.wake();
  }

  // ---- the end ----

  /** The server has been asked to come to its end. */
  beginStop(): void {
    this.stopped = true;
    this.#drain.begin(this.scheduler.now());
  }

  /** From now on, idle connections that have begun by `until` have come to their end. */
  drain(until: number = Infinity): void {
    this.#draining = true;
    for (const { began, socket } of this.#open) if (began <= until) socket.drain();
  }

  /** Nobody else comes in. */
  closeDoor(): void {
    this.listener.close();
    this.#departed();
  }

  /** The grace is over, or somebody has cancelled the server. No handler has noticed yet. */
  #cutOff(): void {
    if (this.#scope.stopping) this.#drain.cutOff(this.#open, this.scheduler.now());
  }

  /** The last connection has ended. */
  end(): void {
    this.#watch.end();
    if (!this.#scope.stopping) return;
    this.#drain.end(this.tally.closed.drained, this.scheduler.now());
    if (this.drainReport !== undefined) this.teller.drained(this.drainReport);
  }

  get drainReport(): DrainReport | undefined {
    return this.#drain.report;
  }

  // ---- figures ----

  stats(): ServerStats {
    const { tally, backend } = this;
    const { accepted, failed, resetByPeer, acceptPauses } = tally;
    const { bytesReceived, bytesSent, stalled } = this.#traffic();
    return Object.freeze({
      backend,
      accepted,
      open: this.#open.size,
      stalled,
      queued: this.listener.transport.queued,
      refused: Object.freeze({ ...tally.refused }),
      closed: Object.freeze({ ...tally.closed }),
      failed,
      resetByPeer,
      bytesReceived,
      bytesSent,
      acceptPauses,
      overflowed: this.listener.transport.overflowed,
      hostOverflowed: this.#hostQueues.overflowed(this.scheduler.now()),
      handshakes: this.listener.handshakes,
      proxyHeaders: this.listener.proxyHeaders,
      lagMs: this.#watch.lagMs,
      longestTurnMs: this.scheduler.longestMs,
    });
  }

  /** What concerns open connections stands on their sockets, where keeping it costs nothing:
   *  whoever asks pays for a walk. */
  #traffic(): { bytesReceived: number; bytesSent: number; stalled: number } {
    let { bytesReceived, bytesSent } = this.tally;
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
    const { derived, maxConnections } = this.limits;
    if (derived || maxConnections === Infinity) return;
    const system = this.network.limits();
    if (maxConnections <= freeDescriptors(system)) return;
    this.teller.report(
      `maxConnections is ${maxConnections}, but this process may have ${system.descriptors} ` +
        `descriptors, and ${system.openDescriptors} are in use. Raise \`ulimit -n\`.`,
    );
  }
}

/** The figure of the machine costs a system call or two: so often it is asked for. */
const ASK_EVERY_MS = 1000;

/** What the system dropped since a server began. */
class HostQueues {
  readonly #network: Network;
  readonly #before: number | undefined;
  #latest: number | undefined;
  #askedAt: number;

  constructor(network: Network, now: number) {
    this.#network = network;
    this.#before = network.listenOverflows?.();
    this.#latest = this.#before;
    this.#askedAt = now;
  }

  overflowed(now: number): number | undefined {
    if (this.#before === undefined) return undefined;
    if (now - this.#askedAt >= ASK_EVERY_MS) {
      this.#askedAt = now;
      this.#latest = this.#network.listenOverflows?.();
    }
    return (this.#latest ?? this.#before) - this.#before;
  }
}

class DeparturePlace extends Parking {
  override describe(): string {
    return 'the end of a connection';
  }
}
