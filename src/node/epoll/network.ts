/**
 * The epoll network: Linux, through the addon in native/.
 *
 * One readiness queue per network (an epoll descriptor, nested in libuv's loop). A wake-up brings
 * an array of (handle, bits) pairs in one call; each pair sets the flags of its resource and moves
 * its waiters to the run queue; then the owner runs them, in the same call from outside.
 *
 * Invariants:
 *  1. A resource is in the table from before its first event until before its descriptor is closed.
 *     An event whose handle is not exactly that of the resource in its place is dropped: it was
 *     meant for a predecessor in the same slot.
 *  2. The array of events is read to its end before anything can fill it again. `poll` and the
 *     wake-up share it; granting a waiter files its task or reads the header that a gate waits for,
 *     and asks for no events.
 *  3. Nothing here keeps the process alive; the scheduler's host does.
 *
 * Several networks may live in one thread, one after the other or side by side: they share nothing
 * but the addon's table of slots.
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
  NetworkLimits,
  NetworkOwner,
  TlsClient,
  Transport,
  TransportConnectOptions,
} from '../../world/network.ts';
import type { TlsClientOptions, TlsServerOptions } from '../../world/tls.ts';
import type { Addon } from '../addon.ts';
import { loadAddon } from '../addon.ts';
import { familyOf, hostOf, portOf } from '../endpoint.ts';
import { readLimits, readListenOverflows } from '../process/limits.ts';
import { checkPath, removeStaleFile, socketFileAt } from '../process/unix-socket.ts';
import type { ResolveDone } from '../resolve.ts';
import { resolveName } from '../resolve.ts';
import { systemError } from '../system-error.ts';
import { HAS_TLS, TlsLayer } from '../tls/layer.ts';
import { DatagramArena, openDatagram } from './datagram.ts';
import { adoptListener, openListener } from './listener.ts';
import { EPOLL_OPTIONS } from './options.ts';
import { ReceiveBatch } from './receive-batch.ts';
import type { Registered, Registry } from './registry.ts';
import { Slabs } from './slab.ts';
import { EpollTransport } from './transport.ts';

/**
 * The most events that one wake-up brings. The others come with the next one, as soon as the tasks
 * of these have run: what the receives of a batch have brought into the caches must still be there
 * when the tasks send. With 1,000 busy connections 2048 instead cost 4 % more CPU time.
 */
const MAX_EVENTS = 32;

/** The slot index in a handle: INDEX_BITS of native/slots.c. */
const SLOT_MASK = 0xfffff;

const CAPABILITIES: Capabilities = {
  pausesAccept: true,
  exactTorn: true,
  reusePort: true,
  options: EPOLL_OPTIONS,
  abstractNames: true,
  tls: HAS_TLS,
  sendsAtOnce: true,
  exactDropped: true,
};

/** A network on the epoll addon. Throws ERR_BACKEND where there is no addon. */
export function epollNetwork(owner: NetworkOwner): Network {
  const { addon, reason } = loadAddon();
  if (addon === undefined) throw new UsageError('ERR_BACKEND', reason);
  return new EpollNetwork(owner, addon);
}

/**
 * Also the registry of its resources: they keep their table entry up to date and find the addon and
 * the slabs here.
 */
class EpollNetwork implements Network, Registry {
  readonly backend = 'epoll';
  readonly settleMs = 0;
  readonly capabilities: Capabilities = CAPABILITIES;
  readonly addon: Addon;
  readonly slabs: Slabs = new Slabs();
  readonly batch: ReceiveBatch;
  readonly #poller: number;
  /** Handle and bits of each event, filled by the addon. */
  readonly #events = new Int32Array(2 * MAX_EVENTS);
  /** How many pairs of it are valid now. */
  #eventCount = 0;
  /** By slot index; with several networks in a thread, each has only some of the indices. */
  readonly #table: (Registered | undefined)[] = [];
  readonly #tls = new TlsLayer();
  #arena: DatagramArena | null = null;
  #closed = false;

  constructor(owner: NetworkOwner, addon: Addon) {
    this.addon = addon;
    this.batch = new ReceiveBatch(addon, this.slabs, MAX_EVENTS);
    const deliver = () => this.#deliver(); // made once, not per wake-up
    const poller = addon.createPoller(this.#events, (count) => {
      this.#eventCount = count;
      owner.deliver(deliver);
    });
    if (poller < 0) throw systemError(poller, 'epoll_create');
    this.#poller = poller;
  }

  /** Receives what the events announce where a task waits for it, and grants the waiters. */
  #deliver(): void {
    const events = this.#events;
    const table = this.#table;
    const end = 2 * this.#eventCount;
    this.#eventCount = 0;
    for (let i = 0; i < end; i += 2) {
      const handle = events[i] as number;
      const resource = table[handle & SLOT_MASK];
      if (resource?.handle === handle) resource.onEvents(events[i + 1] as number);
    }
    this.batch.run();
  }

  add(resource: Registered): void {
    this.#table[resource.handle & SLOT_MASK] = resource;
  }

  remove(resource: Registered): void {
    this.#table[resource.handle & SLOT_MASK] = undefined;
  }

  listen(at: Endpoint, options: ListenOptions): ListenerTransport {
    this.#assertOpen();
    return openListener(this, this.#poller, at, options);
  }

  adopt(fd: number): ListenerTransport {
    this.#assertOpen();
    return adoptListener(this, this.#poller, fd);
  }

  connect(to: Endpoint, options: TransportConnectOptions): Transport {
    this.#assertOpen();
    return beginConnect(this, this.#poller, to, options);
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
    throw new ClosedError('ERR_CLOSED', 'The network was closed: its run has ended');
  }

  tlsClient(options: TlsClientOptions): TlsClient {
    return this.#tls.client(options);
  }

  tlsServer(options: TlsServerOptions): HandshakeStage {
    return this.#tls.server(options);
  }

  get closing(): number {
    return this.#tls.lingering.size;
  }

  resolve(host: string, done: ResolveDone): () => void {
    return resolveName(host, done);
  }

  poll(): number {
    if (this.#closed) return 0;
    const count = Math.max(0, this.addon.poll(this.#poller));
    this.#eventCount = count;
    if (count > 0) this.#deliver();
    return count;
  }

  socketFile(path: string): (() => void) | undefined {
    const file = socketFileAt(path);
    return file && (() => removeStaleFile(file));
  }

  limits(): NetworkLimits {
    return readLimits();
  }

  listenOverflows(): number | undefined {
    return readListenOverflows();
  }

  counters(): NetworkCounters {
    const open = this.#resources();
    const count = (kind: Registered['kind']) => open.filter((each) => each.kind === kind).length;
    return {
      transports: count('transport'),
      listeners: count('listener'),
      datagrams: count('datagram'),
      slabs: this.slabs.held,
    };
  }

  open(): readonly string[] {
    const open = this.#resources().filter((resource) => !this.#tls.isClosing(resource));
    return open.map((resource) => resource.openLine());
  }

  /** A walk over the table: nothing is counted on the hot path for the sake of reports. */
  #resources(): Registered[] {
    return this.#table.filter((resource) => resource !== undefined);
  }

  close(): void {
    if (this.#closed) return;
    this.#tls.close();
    this.#closed = true;
    for (const resource of this.#resources()) resource.close();
    this.#table.length = 0;
    this.slabs.drop();
    this.#arena = null;
    this.addon.destroyPoller(this.#poller);
  }
}

/** Attempts to connect on the epoll network. */

/** Begins to connect. Throws what is known at once: no route, no descriptor, no listener. */
export function beginConnect(
  registry: Registry,
  poller: number,
  to: Endpoint,
  { localAddress: from, recvBufferSize = 0, sendBufferSize = 0 }: TransportConnectOptions,
): EpollTransport {
  checkPath(to, 'connect');
  const far = [familyOf(to), hostOf(to), portOf(to)] as const;
  const near = [familyOf(from), hostOf(from), portOf(from)] as const;
  const sizes = [recvBufferSize, sendBufferSize] as const;
  const handle = registry.addon.connect(poller, ...far, ...near, ...sizes);
  if (handle < 0) throw systemError(handle, 'connect', to);
  return new EpollTransport({ registry, handle, local: undefined, to });
}
