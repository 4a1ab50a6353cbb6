/**
 * A listening socket of the portable network.
 *
 *   starting ──listening──▶ listening ──close()──▶ closed
 *       └──error──▶ failed
 *
 * node:net accepts every connection at once and cannot leave it in the queue of the kernel. So this
 * file has an accept queue of its own.
 *
 * Invariants:
 *  1. A queued connection is paused: nothing is read before it is accepted.
 *  2. At most `backlog` connections are queued. Further ones are reset and counted.
 *  3. After close() the queue is empty, and `tryAccept` throws.
 */
import { chmodSync } from 'node:fs';
import type { ListenOptions as NodeListenOptions, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { ClosedError } from '../../kernel/errors.ts';
import { Readiness } from '../../kernel/readiness.ts';
import type { Endpoint, ListenerTransport, ListenOptions, Transport } from '../../world/network.ts';
import { endpointText } from '../endpoint.ts';
import type { SocketFile } from '../process/unix-socket.ts';
import { absolutePath, closeKeepingSuccessor, socketFileAt } from '../process/unix-socket.ts';
import { acceptedEndpoints, boundEndpoint, resetSocket, UNNAMED } from './node-socket.ts';
import type { TransportContext } from './transport.ts';
import { attachListeners, HIGH_WATER_MARK, PortableTransport } from './transport.ts';

/** State shared by the listeners of a network. */
export interface ListenerContext extends TransportContext {
  /** The open ones. */
  readonly listeners: Set<PortableListener>;
}

/** An address, or an inherited descriptor with its address, if that is known. */
export type ListenTarget = Endpoint | { readonly fd: number; readonly local: Endpoint | undefined };

export class PortableListener extends Readiness implements ListenerTransport {
  local: Endpoint;
  /** Connections that were reset because the accept queue was full. */
  overflowed = 0;
  readonly #context: ListenerContext;
  readonly #server: Server;
  /** Connections that the program has not accepted yet, oldest first. */
  readonly #acceptQueue = new Set<Socket>();
  readonly #backlog: number;
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
    context: ListenerContext,
  ) {
    super();
    this.local = 'fd' in at ? (at.local ?? UNNAMED) : at;
    this.#inherited = 'fd' in at;
    this.#context = context;
    this.#backlog = options.backlog;
    this.#mode = options.mode;
    this.#server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      highWaterMark: HIGH_WATER_MARK,
    });
    this.#listen(nodeOptions(at, options));
    context.listeners.add(this);
  }

  override describe(): string {
    return endpointText(this.local);
  }

  openLine(): string {
    return `listener ${endpointText(this.local)}`;
  }

  /** `undefined` if there is none, and after close. The handle of a net.Server is undocumented, but
   *  `child_process` uses it too. */
  get descriptor(): number | undefined {
    const { _handle: handle } = this.#server as { _handle?: { readonly fd?: number } | null };
    return handle?.fd === undefined || handle.fd < 0 ? undefined : handle.fd;
  }

  tryListen(): boolean {
    if (this.#listenError !== null) throw this.#listenError;
    if (!this.#listening) this.canSend = false;
    return this.#listening;
  }

  tryAccept(): Transport | undefined {
    this.#throwPendingError();
    for (const socket of this.#acceptQueue) {
      this.#acceptQueue.delete(socket);
      const ends = acceptedEndpoints(socket, this.local);
      if (ends !== undefined) return PortableTransport.accepted(socket, this.#context, ends);
      // The peer has disconnected while the connection was queued.
      resetSocket(socket);
    }
    this.canRecv = false;
    return undefined;
  }

  get queued(): number {
    return this.#acceptQueue.size;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#context.listeners.delete(this);
    closeKeepingSuccessor(this.#file, () => this.#server.close());
    for (const socket of this.#acceptQueue) resetSocket(socket);
    this.#acceptQueue.clear();
    const error = new ClosedError('ERR_CLOSED', `The listener ${this.describe()} was closed here`);
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
    if (server.listening) this.#setMode();
  }

  /** For two system calls after listen(2), the file has the mode that the umask left. */
  #setMode(): void {
    const mode = this.#mode;
    this.#mode = undefined;
    if (mode === undefined || !('path' in this.local)) return;
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
    this.#setMode();
    if (this.#listenError !== null) return this.#context.notifications.writable(this);
    this.#listening = true;
    if (!('path' in this.local) || this.local === UNNAMED) {
      this.local = boundEndpoint(this.#server) ?? this.local;
    } else if (!this.#inherited) {
      this.#file = socketFileAt(this.local.path);
    }
    this.#context.notifications.writable(this);
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (this.#closed) return;
    if (this.#listening) {
      this.#acceptError = error;
      this.#context.notifications.readable(this);
    } else {
      this.#listenError = error;
      this.#context.notifications.writable(this);
    }
  }

  #enqueue(socket: Socket): void {
    attachListeners(socket);
    if (this.#closed || this.#acceptQueue.size >= this.#backlog) {
      this.overflowed += 1;
      resetSocket(socket);
      return;
    }
    this.#acceptQueue.add(socket);
    this.#context.notifications.readable(this);
  }

  #throwPendingError(): void {
    if (this.#listenError !== null) throw this.#listenError;
    const error = this.#acceptError;
    this.#acceptError = null;
    if (error !== null) throw error;
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
