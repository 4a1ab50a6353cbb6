/**
 * A listening socket on the epoll network.
 *
 * Connections are accepted in batches and returned one at a time. A batch begins with one
 * connection and doubles while batches come back full. So a burst costs few calls, and if a program
 * stops accepting, all but a few connections are in the queue of the system.
 *
 * Invariants:
 *  1. `canRecv` is true while the queue here is not empty, or the queue of the system may not be
 *     empty.
 *  2. A queued connection has a transport from the moment when it was accepted: its first events
 *     arrive while it waits here.
 *  3. An error of accept is thrown only if that call accepted no connection. It clears no flag: the
 *     connection is still in the queue of the system, and no other event follows for it.
 */
import { ClosedError } from '../../kernel/errors.ts';
import { Readiness } from '../../kernel/readiness.ts';
import type { Endpoint, ListenerTransport, ListenOptions, Transport } from '../../world/network.ts';
import { addressArguments, endpointText, isWildcard } from '../endpoint.ts';
import { adoptError } from '../process/inherited-listener.ts';
import type { SocketFile } from '../process/unix-socket.ts';
import { checkPath, removeSocketFile, socketFileAt } from '../process/unix-socket.ts';
import { systemError } from '../system-error.ts';
import { AcceptBatch, MAX_BATCH } from './accept-batch.ts';
import type { Registered, Registry } from './registry.ts';
import { EAGAIN, EBADF } from './registry.ts';
import { EpollTransport } from './transport.ts';

/** The kernel limits the backlog to somaxconn. */
const MAX_BACKLOG = 0x7fffffff;

export class EpollListener extends Readiness implements ListenerTransport, Registered {
  readonly kind = 'listener';
  readonly handle: number;
  readonly local: Endpoint;
  /** Set by the server: its free slots. */
  acceptBatch: number = MAX_BATCH;
  readonly #registry: Registry;
  readonly #batch: AcceptBatch;
  /** Accepted, not returned yet. */
  readonly #queue: EpollTransport[] = [];
  /**
   * The local address of accepted connections; `undefined` for a wildcard address: each connection
   * reads its own.
   */
  readonly #acceptedLocal: Endpoint | undefined;
  /** The file of a Unix socket. It is removed at close. */
  readonly #file: SocketFile | undefined;
  /** The last batch emptied the queue of the system, and no event was reported since. */
  #drained = false;
  /** Length of the next batch. */
  #batchLength = 1;
  #closed = false;

  /**
   * `at`: the requested address; `undefined` for an inherited listener, whose file belongs to the
   * process that created it.
   */
  constructor(registry: Registry, handle: number, at?: Endpoint) {
    super();
    this.#registry = registry;
    this.#batch = new AcceptBatch(registry.addon);
    this.handle = handle;
    const bound = registry.addon.local(handle);
    const requested = at !== undefined && 'path' in at ? at : undefined;
    this.local = requested ?? (typeof bound === 'number' ? (at ?? { path: '' }) : bound);
    this.#acceptedLocal = isWildcard(this.local) ? undefined : this.local;
    this.#file = requested && socketFileAt(requested.path);
    registry.add(this);
  }

  tryListen(): boolean {
    if (this.#closed) throw this.#closedError();
    return true;
  }

  tryAccept(): Transport | undefined {
    if (this.#closed) throw this.#closedError();
    if (this.#queue.length === 0) this.#acceptMore();
    const next = this.#queue.shift();
    this.canRecv = this.#queue.length > 0 || !this.#drained;
    return next;
  }

  /** Calls the addon once. */
  #acceptMore(): void {
    const batch = this.#batch;
    const most = Math.max(1, Math.min(this.#batchLength, this.acceptBatch));
    const accepted = batch.run(this.handle, most);
    if (accepted === EBADF) throw this.#closedError();
    const { status } = batch;
    for (let i = 0; i < accepted; i += 1) this.#enqueue(batch.handleAt(i), batch.peerAt(i));
    this.#drained = status === EAGAIN;
    if (this.#drained) this.#batchLength = 1;
    else if (accepted === most) this.#batchLength = Math.min(2 * accepted, MAX_BATCH);
    else if (accepted === 0 && status < 0) throw systemError(status, 'accept');
  }

  shed(most: number): number {
    return Math.max(0, this.#registry.addon.shed(this.handle, most));
  }

  get queued(): number | undefined {
    const inSystem = this.#registry.addon.queued(this.handle);
    return inSystem < 0 ? undefined : inSystem + this.#queue.length;
  }

  #enqueue(handle: number, peer: Endpoint | undefined): void {
    const origin = { registry: this.#registry, handle, local: this.#acceptedLocal, to: undefined };
    const transport = new EpollTransport(origin);
    if (peer !== undefined) transport.remote = peer;
    this.#queue.push(transport);
  }

  /**
   * Any event means that an attempt may succeed. The attempt also reports an error of the socket.
   */
  onEvents(): void {
    this.#drained = false;
    this.notifyRecv();
  }

  /** The kernel resets the connections in its queue; this resets those in the queue here. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.canRecv = true;
    removeSocketFile(this.#file); // The socket is still open, so its inode cannot be reused.
    this.#registry.remove(this);
    this.#registry.addon.close(this.handle, 0);
    for (const connection of this.#queue.splice(0)) connection.reset();
    this.rejectWaiters(this.#closedError());
  }

  #closedError(): ClosedError {
    return new ClosedError(
      'ERR_CLOSED',
      `The listener ${this.describe()} was closed by this program`,
    );
  }

  override describe(): string {
    return endpointText(this.local);
  }

  openLine(): string {
    return `listener ${endpointText(this.local)}`;
  }
}

/** Listens. Errors of bind(2) are reported as errors of listen, as Node does. */
export function openListener(
  registry: Registry,
  poller: number,
  at: Endpoint,
  options: ListenOptions,
): EpollListener {
  const { backlog = MAX_BACKLOG, reusePort = false, ipv6Only = false } = options;
  const { mode = -1, recvBufferSize = 0, sendBufferSize = 0 } = options;
  checkPath(at, 'listen');
  const { addon } = registry;
  const { REUSE_PORT, IPV6_ONLY } = addon.constants;
  const flags = (reusePort ? REUSE_PORT : 0) | (ipv6Only ? IPV6_ONLY : 0);
  const how = [backlog, flags, mode, recvBufferSize, sendBufferSize] as const;
  const handle = addon.listen(poller, ...addressArguments(at), ...how);
  if (handle < 0) throw systemError(handle, 'listen', at);
  return new EpollListener(registry, handle, at);
}

/** Listens on a descriptor that was inherited. */
export function adoptListener(registry: Registry, poller: number, fd: number): EpollListener {
  const handle = registry.addon.adopt(poller, fd);
  if (handle < 0) throw adoptError(handle, fd);
  return new EpollListener(registry, handle);
}
