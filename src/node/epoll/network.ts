/**
 * The epoll network: Linux, through the addon in native/.
 *
 * These facts about epoll(7), the kernel and libuv determine the design:
 *
 *  1. Level-triggered epoll costs system calls. A level-triggered descriptor is reported as long as
 *     it is ready, so an event loop must call epoll_ctl to enable a direction when a task begins to
 *     wait, and again to disable it. With EPOLLET a socket is registered once, for both directions,
 *     and never again. An idle connection then costs nothing per turn.
 *
 *  2. With EPOLLET the kernel reports readiness once. An event that is not remembered is lost, and
 *     its task waits indefinitely. So each event sets a flag (`canRecv`, `canSend`), whether a task
 *     waits or not. The flag is cleared only by a system call that exhausted the resource: EAGAIN,
 *     or fewer bytes than requested.
 *
 *  3. A short read is not always the end. The end of file, an error or urgent data may follow the
 *     bytes, and their event has already been reported. After RDHUP, HUP, ERR or PRI only EAGAIN
 *     clears the flag. Otherwise a connection whose last bytes and FIN arrive together hangs.
 *
 *  4. An event may be out of date: it reports what was ready when it was queued, and always
 *     both directions, so a flag may be set although the task has just emptied the queue. End of
 *     file and errors are never handled in an event: a system call finds them, after the bytes.
 *
 *  5. Descriptors are reused. After the kernel has queued an event and before it is handled, a
 *     callback may close the socket, and accept may return the same number for another
 *     connection. So events carry a handle instead of a descriptor: slot index and
 *     generation. An event whose handle is not the current one of its slot is dropped.
 *
 *  6. libuv owns the event loop of the process, and one libuv watcher per socket costs one callback
 *     per socket. An epoll descriptor can itself be polled (epoll(7), "Questions and answers"), so
 *     all sockets are in an inner epoll descriptor, and libuv watches only that one. One wake-up
 *     calls JavaScript once, with an array of (handle, bits) pairs.
 *
 *  7. A wake-up is bounded to MAX_EVENTS pairs, so that timers and other libraries in the process
 *     can run in between. libuv watches the inner descriptor level-triggered: while events remain,
 *     it stays readable and the next wake-up follows.
 *
 * native/README.md describes the native half of this.
 *
 * Invariants:
 *  1. A resource is in the table from before its first event until its descriptor is closed.
 *  2. The array of events is read to its end before it is filled again. `poll` and the wake-up
 *     share it. Notifying a waiter moves its task to the run queue, or reads the bytes that a
 *     handshake waits for; neither fills the array.
 *  3. A network does not keep the process alive. The host of the scheduler does.
 *
 * A thread may have several networks at the same time. They share only the table of slots in the
 * addon.
 */
import { ClosedError, UsageError } from '../../kernel/errors.ts';
import type { HandshakeStage } from '../../world/handshake.ts';
import type {
  Capabilities,
  DatagramOptions,
  DatagramTransport,
  Endpoint,
  ListenerTransport,
  ListenOptions,
  Network,
  NetworkCounters,
  NetworkOwner,
  TlsClient,
  Transport,
  TransportConnectOptions,
} from '../../world/network.ts';
import type { TlsClientOptions, TlsServerOptions } from '../../world/tls.ts';
import type { Addon } from '../addon.ts';
import { loadAddon } from '../addon.ts';
import { addressArguments } from '../endpoint.ts';
import { NodeNetwork } from '../node-network.ts';
import { checkPath } from '../process/unix-socket.ts';
import { systemError } from '../system-error.ts';
import { HAS_TLS } from '../tls/layer.ts';
import type { LingeringClose } from '../tls/lingering-close.ts';
import { DatagramArena, openDatagram } from './datagram.ts';
import { adoptListener, EpollListener, openListener } from './listener.ts';
import { LoanMemory } from './loan-memory.ts';
import { ReceiveBatch } from './receive-batch.ts';
import type { Registered, Registry } from './registry.ts';
import { SendBatch } from './send-batch.ts';
import { Slabs } from './slab.ts';
import { clientContext, clientRole } from './tls/client.ts';
import type { TlsEngine } from './tls/engine.ts';
import { decideTls } from './tls/engine.ts';
import { NativeHandshakeStage, serverRole } from './tls/server.ts';
import { EpollTlsTransport } from './tls/transport.ts';
import { EpollTransport } from './transport.ts';

/**
 * The most events of one wake-up. The next one reports the others, after the tasks of these have
 * run. A small batch keeps its received data in the processor cache until the tasks send: with
 * 1,000 busy connections, 2048 instead of 32 costs 4 % more CPU time.
 */
const MAX_EVENTS = 32;

const CAPABILITIES: Omit<Capabilities, 'options'> = {
  pausesAccept: true,
  exactTorn: true,
  reusePort: true,
  abstractNames: true,
  tls: HAS_TLS,
  sendsAtOnce: true,
  exactDropped: true,
};

/** Creates a network on the addon. Throws ERR_BACKEND if the addon is not available. */
export function epollNetwork(owner: NetworkOwner): Network {
  return epollNetworkWith(owner);
}

/** As `epollNetwork`, with the given engine of TLS; absent: see `decideTls`. */
export function epollNetworkWith(owner: NetworkOwner, tls?: TlsEngine): Network {
  const { addon, reason } = loadAddon();
  if (addon === undefined) throw new UsageError('ERR_BACKEND', reason);
  return new EpollNetwork(owner, addon, tls);
}

/** The network is also the registry of its resources, through which they reach the addon. */
class EpollNetwork extends NodeNetwork implements Network, Registry {
  readonly backend = 'epoll';
  readonly capabilities: Capabilities;
  readonly settleMs = 0;
  readonly addon: Addon;
  readonly slabs: Slabs = new Slabs();
  readonly loan: LoanMemory = new LoanMemory();
  readonly batch: ReceiveBatch;
  readonly sends: SendBatch;
  readonly #poller: number;
  /** The slot index in a handle. */
  readonly #slotMask: number;
  /** Handle and bits of each event. The addon fills it. */
  readonly #events = new Int32Array(2 * MAX_EVENTS);
  /** The number of valid pairs in it. */
  #eventCount = 0;
  /** By slot index. If a thread has several networks, each uses only some of the indices. */
  readonly #table: (Registered | undefined)[] = [];
  #arena: DatagramArena | null = null;
  /** Decided when TLS is first used. */
  #tlsEngine: TlsEngine | undefined;
  #closed = false;

  constructor(owner: NetworkOwner, addon: Addon, tlsEngine?: TlsEngine) {
    super();
    this.#tlsEngine = tlsEngine;
    this.addon = addon;
    this.capabilities = { ...CAPABILITIES, options: addon.constants.SOCKET_OPTIONS };
    this.#slotMask = 2 ** addon.constants.INDEX_BITS - 1;
    this.batch = new ReceiveBatch(addon, this.slabs, MAX_EVENTS);
    this.sends = new SendBatch(addon, MAX_EVENTS);
    const deliver = (): void => this.#deliver(); // Created once, not per wake-up.
    const poller = addon.createPoller(this.#events, (count) => {
      this.#eventCount = count;
      owner.deliver(deliver);
    });
    if (poller < 0) throw systemError(poller, 'epoll_create');
    this.#poller = poller;
  }

  /** Passes the events to their resources, then receives for the tasks that wait. */
  #deliver(): void {
    const events = this.#events;
    const table = this.#table;
    const mask = this.#slotMask;
    const end = 2 * this.#eventCount;
    this.#eventCount = 0;
    for (let i = 0; i < end; i += 2) {
      const handle = events[i] as number;
      const resource = table[handle & mask];
      if (resource?.handle === handle) resource.onEvents(events[i + 1] as number);
    }
    this.batch.run();
  }

  add(resource: Registered): void {
    this.#table[resource.handle & this.#slotMask] = resource;
  }

  remove(resource: Registered): void {
    this.#table[resource.handle & this.#slotMask] = undefined;
  }

  listen(at: Endpoint, options: ListenOptions): ListenerTransport {
    this.#assertOpen();
    return openListener(this, this.#poller, at, options);
  }

  adopt(fd: number): ListenerTransport {
    this.#assertOpen();
    return adoptListener(this, this.#poller, fd);
  }

  /** Throws errors that are known at once, such as no route or descriptor. */
  connect(
    to: Endpoint,
    { localAddress, recvBufferSize = 0, sendBufferSize = 0 }: TransportConnectOptions,
  ): Transport {
    this.#assertOpen();
    checkPath(to, 'connect');
    const addresses = [...addressArguments(to), ...addressArguments(localAddress)] as const;
    const sizes = [recvBufferSize, sendBufferSize] as const;
    const handle = this.addon.connect(this.#poller, ...addresses, ...sizes);
    if (handle < 0) throw systemError(handle, 'connect', to);
    return new EpollTransport({ registry: this, handle, local: undefined, to });
  }

  /** Options that the native engine does not have, and streams of Node as connections, are left to
   *  node:tls. */
  override tlsClient(options: TlsClientOptions): TlsClient {
    const context = this.#hasNativeTls ? clientContext(this.addon, options) : undefined;
    if (context === undefined) return super.tlsClient(options);
    return (raw, host) =>
      raw instanceof EpollTransport
        ? new EpollTlsTransport(raw, clientRole(context, options, host))
        : super.tlsClient(options)(raw, host);
  }

  override tlsServer(options: TlsServerOptions): HandshakeStage {
    const role = this.#hasNativeTls ? serverRole(this.addon, options) : undefined;
    if (role === undefined) return super.tlsServer(options);
    return new NativeHandshakeStage(role, options, () => super.tlsServer(options));
  }

  get #hasNativeTls(): boolean {
    this.#tlsEngine ??= decideTls(this.addon).engine;
    return this.#tlsEngine === 'native';
  }

  get lingering(): Set<LingeringClose> {
    return this.tls.lingering;
  }

  bindDatagram(at: Endpoint, options: DatagramOptions): DatagramTransport {
    this.#assertOpen();
    return openDatagram(this, this.#poller, at, options);
  }

  get arena(): DatagramArena {
    this.#arena ??= new DatagramArena(this.addon);
    return this.#arena;
  }

  #assertOpen(): void {
    if (!this.#closed) return;
    throw new ClosedError('ERR_CLOSED', 'The network is closed: its run has ended');
  }

  sendQueued(): number {
    return this.sends.run();
  }

  poll(): number {
    if (this.#closed) return 0;
    this.sends.run();
    const count = Math.max(0, this.addon.poll(this.#poller));
    this.#eventCount = count;
    if (count > 0) this.#deliver();
    return count;
  }

  counters(): NetworkCounters {
    const open = this.#resources();
    const count = (kind: Registered['kind']) => open.filter((each) => each.kind === kind).length;
    return {
      transports: count('transport'),
      listeners: count('listener'),
      datagrams: count('datagram'),
      slabs: this.slabs.held + this.loan.held,
    };
  }

  *openListeners(): Generator<ListenerTransport> {
    for (const resource of this.#table) if (resource instanceof EpollListener) yield resource;
  }

  open(): readonly string[] {
    const open = this.#resources().filter((resource) => !this.tls.isClosing(resource));
    return open.map((resource) => resource.openLine());
  }

  /** Searches the table, so that the hot path need not count. */
  #resources(): Registered[] {
    return this.#table.filter((resource) => resource !== undefined);
  }

  close(): void {
    if (this.#closed) return;
    this.tls.close();
    this.#closed = true;
    for (const resource of this.#resources()) resource.close();
    for (const closing of this.lingering) closing.finish(); // Those that began just now.
    this.#table.length = 0;
    this.slabs.drop();
    this.loan.drop();
    this.#arena = null;
    this.addon.destroyPoller(this.#poller);
  }
}
