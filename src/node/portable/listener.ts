/**
 * A listening socket of the portable network.
 *
 *   starting ──listening──▶ listening ──close()──▶ closed
 *       └──error──▶ failed
 *
 * node:net cannot leave connections in the kernel's queue: it accepts whatever comes. So this file
 * keeps the queue that the kernel would have kept.
 *
 * Invariants:
 *  1. A held connection is paused: nothing is read before somebody has accepted it.
 *  2. At most `backlog` connections are held. Those beyond are reset and counted.
 *  3. After close() no connection is held and none is handed out.
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

/** What the listeners of one network share. */
export interface ListenerContext extends TransportContext {
  /** The open ones. */
  readonly listeners: Set<PortableListener>;
}

/** Where to listen: an address, or a descriptor that was inherited and what is known of it. */
export type ListenTarget = Endpoint | { readonly fd: number; readonly local: Endpoint | undefined };

export class PortableListener extends Readiness implements ListenerTransport {
  local: Endpoint;
  /** Connections that were reset because nobody accepted them and the queue was full. */
  overflowed = 0;
  readonly #context: ListenerContext;
  readonly #server: Server;
  readonly #options: NodeListenOptions;
  /** Accepted by node:net and by nobody else, oldest first. */
  readonly #acceptQueue = new Set<Socket>();
  readonly #backlog: number;
  /** Permission bits that the file of a Unix listener still has to get. */
  #mode: number | undefined;
  /** The file of a Unix listener. */
  #file: SocketFile | undefined;
  /** The descriptor was inherited: the file is not ours. */
  readonly #inherited: boolean;
  #listening = false;
  /** What tryListen throws. */
  #listenError: unknown = null;
  /** What the next tryAccept throws, once. */
  #acceptError: unknown = null;
  #closed = false;

  constructor(
    at: ListenTarget,
    options: ListenOptions & { backlog: number },
    home: ListenerContext,
  ) {
    super();
    this.local = 'fd' in at ? (at.local ?? UNNAMED) : at;
    this.#inherited = 'fd' in at;
    this.#context = home;
    this.#backlog = options.backlog;
    this.#mode = options.mode;
    this.#server = createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      highWaterMark: HIGH_WATER_MARK,
    });
    this.#options = nodeOptions(at, options);
    this.#listen();
    home.listeners.add(this);
  }

  override describe(): string {
    return endpointText(this.local);
  }

  openLine(): string {
    return `listener ${endpointText(this.local)}`;
  }

  /** Of net.Server's handle: undocumented, but what `child_process` itself goes by. `undefined`
   *  where there is none, and after close. */
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
    this.#throwError();
    for (const socket of this.#acceptQueue) {
      this.#acceptQueue.delete(socket);
      const ends = acceptedEndpoints(socket, this.local);
      if (ends !== undefined) return PortableTransport.accepted(socket, this.#context, ends);
      // It died in the queue.
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
    this.canRecv = this.canSend = true;
    this.rejectWaiters(error);
  }

  #listen(): void {
    const server = this.#server;
    server.on('listening', () => this.#onListening());
    server.on('connection', (socket) => this.#enqueue(socket));
    server.on('error', (error) => this.#onError(error));
    server.listen(this.#options);
    server.unref();
    // node:net has called bind(2) and listen(2) by now and tells of it later. Where it has not, the
    // notice comes first.
    if (server.listening) this.#setMode();
  }

  /** Between listen(2) and here the file is as the umask left it: for two system calls. */
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
    // node:net cannot be stopped between listen() and here.
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

  #throwError(): void {
    if (this.#listenError !== null) throw this.#listenError;
    const error = this.#acceptError;
    this.#acceptError = null;
    if (error !== null) throw error;
  }
}

/** `exclusive`: in a cluster's worker too, the port is this process's own. */
function nodeOptions(
  at: ListenTarget,
  { backlog, reusePort, ipv6Only }: ListenOptions & { backlog: number },
): NodeListenOptions {
  // The types of Node do not know `fd`; its documentation does.
  if ('fd' in at) return { fd: at.fd, backlog, exclusive: true } as NodeListenOptions;
  if ('path' in at) return { path: absolutePath(at), backlog, exclusive: true };
  const { host, port } = at;
  const shared = reusePort === true ? { reusePort } : {};
  return { host, port, backlog, exclusive: true, ipv6Only: ipv6Only === true, ...shared };
}
