/**
 * The portable network implements the contract of world/network.ts on node:net and node:dgram, for
 * every system and every runtime that has them.
 *
 * node:net and node:dgram push: they accept and read without a request, and accept any number of
 * bytes to send. Each file of this folder puts a bounded queue between them and the program:
 *   listener.ts            connections, paused until they are accepted
 *   transport.ts           bytes in both directions, with memory for the bytes to send
 *   datagram.ts            datagrams in both directions
 *   notification-queue.ts  from the callbacks of Node to the waiting tasks
 *
 * The sockets do not keep the process alive; the host of the scheduler does.
 */
import type { NetConnectOpts } from 'node:net';
import { connect as connectSocket } from 'node:net';
import { constants } from 'node:os';
import { ClosedError } from '../../kernel/errors.ts';
import type {
  BufferSizes,
  Capabilities,
  DatagramOptions,
  DatagramTransport,
  Endpoint,
  ListenerTransport,
  ListenOptions,
  Network,
  NetworkCounters,
  NetworkOwner,
  Transport,
  TransportConnectOptions,
} from '../../world/network.ts';
import { NodeNetwork } from '../node-network.ts';
import { adoptError, checkAdoptable, inspectListener } from '../process/inherited-listener.ts';
import { readLimits } from '../process/limits.ts';
import { ABSTRACT_NAMES, checkAbstract, checkPath } from '../process/unix-socket.ts';
import { ReceivedMemory } from '../stream/young-garbage.ts';
import { HAS_TLS } from '../tls/layer.ts';
import { PortableDatagram } from './datagram.ts';
import { PortableListener } from './listener.ts';
import { UNNAMED } from './node-socket.ts';
import { NotificationQueue } from './notification-queue.ts';
import { PORTABLE_OPTIONS, unsupportedOption } from './options.ts';
import {
  attachListeners,
  HIGH_WATER_MARK,
  onConnect,
  PortableTransport,
  SendSlab,
} from './transport.ts';

/** The backlog if the limit of the system is not known: the default of Node. */
const DEFAULT_BACKLOG = 511;

/** Long enough for a few retransmissions, short enough for the end of a process to wait. */
const DEFAULT_LINGER_MS = 5000;

export interface PortableOptions {
  /** How long a closed connection with unsent bytes may make no progress; default 5000. */
  readonly lingerMs?: number;
}

/** Returns a network on node:net and node:dgram, whose notifications `owner` delivers. */
export function portableNetwork(owner: NetworkOwner, options: PortableOptions = {}): Network {
  return new PortableNetwork(owner, options.lingerMs ?? DEFAULT_LINGER_MS);
}

/** Its resources use it for the state that they share. */
export class PortableNetwork extends NodeNetwork implements Network {
  readonly backend = 'portable';
  /** Node reports connections and bytes in later turns of its event loop. */
  readonly settleMs = 10;
  readonly capabilities: Capabilities = {
    pausesAccept: false,
    exactTorn: false,
    reusePort: hasReusePort(),
    options: PORTABLE_OPTIONS,
    abstractNames: ABSTRACT_NAMES,
    tls: HAS_TLS,
    sendsAtOnce: false,
    exactDropped: false,
  };
  /** The open ones. */
  readonly transports: Set<PortableTransport> = new Set();
  readonly listeners: Set<PortableListener> = new Set();
  readonly datagrams: Set<PortableDatagram> = new Set();
  readonly sendSlab: SendSlab = new SendSlab();
  readonly received: ReceivedMemory = new ReceivedMemory();
  readonly notifications: NotificationQueue;
  /** How long a closed connection with unsent bytes may make no progress before it is destroyed. */
  readonly lingerMs: number;
  #closed = false;

  constructor(owner: NetworkOwner, lingerMs: number) {
    super();
    this.notifications = new NotificationQueue(owner);
    this.lingerMs = lingerMs;
  }

  listen(at: Endpoint, options: ListenOptions): ListenerTransport {
    this.#assertOpen();
    checkSupported(at, options, 'listen');
    const backlog = options.backlog ?? readLimits().backlog ?? DEFAULT_BACKLOG;
    return new PortableListener(at, { ...options, backlog }, this);
  }

  adopt(fd: number): ListenerTransport {
    this.#assertOpen();
    checkAdoptable();
    const held = [...this.listeners].some(({ descriptor }) => descriptor === fd);
    if (held) throw adoptError(-constants.errno.EBUSY, fd);
    const backlog = readLimits().backlog ?? DEFAULT_BACKLOG;
    return new PortableListener({ fd, local: inspectListener(fd) }, { backlog }, this);
  }

  connect(to: Endpoint, options: TransportConnectOptions): Transport {
    this.#assertOpen();
    checkSupported(to, options, 'connect');
    const socket = connectSocket(connectOptions(to, options.localAddress));
    attachListeners(socket);
    socket.once('connect', onConnect);
    return new PortableTransport(socket, this, { local: UNNAMED, remote: to }, false);
  }

  bindDatagram(at: Endpoint, options: DatagramOptions): DatagramTransport {
    this.#assertOpen();
    return new PortableDatagram(at, options, this);
  }

  poll(): number {
    return -1;
  }

  counters(): NetworkCounters {
    return {
      transports: this.transports.size,
      listeners: this.listeners.size,
      datagrams: this.datagrams.size,
      slabs: 0,
    };
  }

  openListeners(): Iterable<ListenerTransport> {
    return this.listeners;
  }

  open(): readonly string[] {
    const transports = [...this.transports].filter((each) => !this.tls.isClosing(each));
    const open = [...this.listeners, ...this.datagrams, ...transports];
    return open.map((resource) => resource.openLine());
  }

  #assertOpen(): void {
    if (!this.#closed) return;
    throw new ClosedError('ERR_CLOSED', 'The network was closed: its run has ended');
  }

  close(): void {
    this.tls.close();
    this.#closed = true;
    for (const listener of this.listeners) listener.close();
    for (const datagram of this.datagrams) datagram.close();
    for (const transport of this.transports) transport.close();
  }
}

/** node:net cannot set buffer sizes, and not everywhere connect to abstract names. */
function checkSupported(at: Endpoint, sizes: BufferSizes, syscall: 'listen' | 'connect'): void {
  checkAbstract(at);
  checkPath(at, syscall);
  for (const size of ['recvBufferSize', 'sendBufferSize'] as const) {
    if (sizes[size] !== undefined) throw unsupportedOption(size);
  }
}

function connectOptions(to: Endpoint, from: Endpoint | undefined): NetConnectOpts {
  const socket = { allowHalfOpen: true, highWaterMark: HIGH_WATER_MARK };
  if ('path' in to) return { ...socket, path: to.path };
  const near =
    from === undefined || 'path' in from ? {} : { localAddress: from.host, localPort: from.port };
  const { host, port, family } = to;
  return { ...socket, ...near, host, port, family, autoSelectFamily: false, noDelay: true };
}

/** net.Server and node:dgram have `reusePort` since 22.12 and 23.1. Only Linux distributes
 *  connections and datagrams among the listeners. */
function hasReusePort(): boolean {
  const { node, bun, deno } = process.versions;
  if (process.platform !== 'linux' || bun !== undefined || deno !== undefined) return false;
  const [major = 0, minor = 0] = node.split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}
