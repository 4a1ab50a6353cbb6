/**
 * A listening socket of the portable network.
 *
 *   starting ──listening──► listening ──close()──► closed
 *       └──error──► failed
 *
 * node:net accepts every connection at once and cannot leave it in the queue of the kernel. So this
 * file has an accept queue of its own.
 *
 * Invariants:
 *  1. A queued connection is paused: nothing is read before it is accepted.
 *  2. At most `backlog` connections are queued. Further ones are reset and counted.
 *  3. The last RESERVED_DESCRIPTORS are not for a listener that has as many connections. Further
 *     ones are reset and counted, and the next `tryAccept` throws EMFILE. (At EMFILE libuv itself
 *     accepts and closes the connections of the system's queue, and reports nothing.)
 *  4. After close() the queue is empty, and `tryAccept` throws.
 */
import { chmodSync } from 'node:fs';
import type { ListenOptions as NodeListenOptions, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import { ClosedError } from '../../kernel/errors.ts';
import { Readiness } from '../../kernel/readiness.ts';
import type { Endpoint, ListenerTransport, ListenOptions, Transport } from '../../world/network.ts';
import { endpointText } from '../endpoint.ts';
import { readLimits } from '../process/limits.ts';
import type { SocketFile } from '../process/unix-socket.ts';
import { absolutePath, closeKeepingSuccessor, socketFileAt } from '../process/unix-socket.ts';
import { systemError } from '../system-error.ts';
import type { PortableNetwork } from './network.ts';
import type { ConnectionEndpoints } from './node-socket.ts';
import {
  acceptedEndpoints,
  boundEndpoint,
  connectionsOf,
  descriptorOf,
  resetSocket,
  UNNAMED,
} from './node-socket.ts';
import { attachListeners, HIGH_WATER_MARK, PortableTransport } from './transport.ts';

/** Left for the other listeners of the process, for connections that it makes, and for files. */
const RESERVED_DESCRIPTORS = 16;

/** An address, or an inherited descriptor with its address, if that is known. */
export type ListenTarget = Endpoint | { readonly fd: number; readonly local: Endpoint | undefined };

export class PortableListener extends Readiness implements ListenerTransport {
  local: Endpoint;
  /** Connections that were reset because the accept queue was full or descriptors were short. */
  overflowed = 0;
  readonly #network: PortableNetwork;
  readonly #server: Server;
  /** Connections that the program has not accepted yet, oldest first. */
  readonly #acceptQueue = new Set<Socket>();
  readonly #backlog: number;
  /** The first of the reserved descriptors. Infinity: the limit of the system is not known. */
  readonly #firstReserved: number;
  /** Permission bits that are still to be set on the file of a Unix listener. */
  #mode: number | undefined;
  /** The file of a Unix listener. */
  #file: SocketFile | undefined;
  /** The descriptor was inherited: the file of a Unix listener belongs to another process. */
  readonly #inherited: boolean;
  #listening = false;
  /** The error that `tryListen` throws. */
  #listenError: unknown = null;
  /** The error that the next `tryAccept` throws, once. */
  #acceptError: unknown = null;
  #closed = false;

  constructor(
    at: ListenTarget,
    options: ListenOptions & { backlog: number },
    network: PortableNetwork,
  ) {
    super();
    this.local = 'fd' in at ? (at.local ?? UNNAMED) : at;
    this.#inherited = 'fd' in at;
    this.#network = network;
    this.#backlog = options.backlog;
    this.#firstReserved = (readLimits().descriptors ?? Infinity) - RESERVED_DESCRIPTORS;
    this.#mode = options.mode;
    this.#server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      highWaterMark: HIGH_WATER_MARK,
    });
    this.#listen(nodeOptions(at, options));
    network.listeners.add(this);
  }

  override describe(): string {
    return endpointText(this.local);
  }

  openLine(): string {
    return `listener ${endpointText(this.local)}`;
  }

  /** `undefined` if there is none, and after close. */
  get descriptor(): number | undefined {
    return descriptorOf(this.#server);
  }

  tryListen(): boolean {
    if (this.#listenError !== null) throw this.#listenError;
    if (!this.#listening) this.canSend = false;
    return this.#listening;
  }

  tryAccept(): Transport | undefined {
    if (this.#listenError !== null) throw this.#listenError;
    const error = this.#acceptError;
    this.#acceptError = null;
    if (error !== null) throw error;
    for (const socket of this.#acceptQueue) {
      this.#acceptQueue.delete(socket);
      const ends = acceptedEndpoints(socket, this.local);
      if (ends !== undefined) return this.#accept(socket, ends);
      // The peer has disconnected while the connection was queued.
      resetSocket(socket);
    }
    this.canRecv = false;
    return undefined;
  }

  /** The socket is still paused. */
  #accept(socket: Socket, ends: ConnectionEndpoints): Transport {
    const transport = new PortableTransport(socket, this.#network, ends, true);
    transport.open();
    return transport;
  }

  get queued(): number {
    return this.#acceptQueue.size;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#network.listeners.delete(this);
    closeKeepingSuccessor(this.#file, () => this.#server.close());
    for (const socket of this.#acceptQueue) resetSocket(socket);
    this.#acceptQueue.clear();
    const error = new ClosedError(
      'ERR_CLOSED',
      `The listener ${this.describe()} was closed by this program`,
    );
    this.#listenError = error;
    this.rejectWaiters(error);
  }

  #listen(options: NodeListenOptions): void {
    const server = this.#server;
    server.on('listening', () => this.#onListening());
    server.on('connection', (socket) => this.#enqueue(socket));
    server.on('error', (error) => this.#onError(error));
    server.listen(options);
    server.unref();
    // node:net usually calls bind(2) and listen(2) at once and emits 'listening' in a later tick.
    if (server.listening) this.#onBound();
  }

  /** The file of a Unix listener exists. For two system calls after listen(2), it has the mode that
   *  the umask left. */
  #onBound(): void {
    const mode = this.#mode;
    this.#mode = undefined;
    if (this.#inherited || !('path' in this.local)) return;
    this.#file ??= socketFileAt(this.local.path);
    if (mode === undefined) return;
    try {
      chmodSync(this.local.path, mode);
    } catch (error) {
      this.#listenError = error;
      this.#server.close();
    }
  }

  #onListening(): void {
    // Closing a net.Server between listen() and 'listening' does not stop it.
    if (this.#closed) {
      this.#server.close();
      return;
    }
    this.#onBound();
    if (this.#listenError !== null) return this.#network.notifications.writable(this);
    this.#listening = true;
    if (!('path' in this.local) || this.local === UNNAMED) {
      this.local = boundEndpoint(this.#server) ?? this.local;
    }
    this.#network.notifications.writable(this);
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (this.#closed) return;
    if (this.#listening) {
      this.#acceptError = error;
      this.#network.notifications.readable(this);
    } else {
      this.#listenError = error;
      this.#network.notifications.writable(this);
    }
  }

  #enqueue(socket: Socket): void {
    attachListeners(socket);
    const isShort = this.#isReserved(descriptorOf(socket));
    if (this.#closed || isShort || this.#acceptQueue.size >= this.#backlog) {
      this.overflowed += 1;
      resetSocket(socket);
      if (!isShort || this.#closed) return;
      this.#acceptError = systemError(-constants.errno.EMFILE, 'accept');
    } else {
      this.#acceptQueue.add(socket);
    }
    this.#network.notifications.readable(this);
  }

  /** The system assigns the lowest free descriptor, so all below it are in use. */
  #isReserved(descriptor = 0): boolean {
    if (descriptor < this.#firstReserved) return false;
    return connectionsOf(this.#server) > RESERVED_DESCRIPTORS;
  }
}

/** `exclusive`: a worker of node:cluster does not share the port with the primary process. */
function nodeOptions(
  at: ListenTarget,
  { backlog, reusePort, ipv6Only }: ListenOptions & { backlog: number },
): NodeListenOptions {
  // `fd` is documented but missing in the types of Node.
  if ('fd' in at) return { fd: at.fd, backlog, exclusive: true } as NodeListenOptions;
  if ('path' in at) return { path: absolutePath(at), backlog, exclusive: true };
  const { host, port } = at;
  const shared = reusePort === true ? { reusePort } : {};
  return { host, port, backlog, exclusive: true, ipv6Only: ipv6Only === true, ...shared };
}
