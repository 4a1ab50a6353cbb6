/**
 * A listening socket on the simulated network.
 *
 * Invariants:
 *  1. `backlog + 1` connections at most wait here, those included whose handshake is not complete:
 *     as on Linux, where the queue is full when it is longer than the backlog.
 *  2. A connection is in the queue from the moment at which a program may accept it. It stays there
 *     when the peer resets it: who accepts it learns that from its first try.
 */
import { Readiness } from '../../kernel/readiness.ts';
import type { BufferSizes, Endpoint, ListenerTransport, Transport } from '../../world/network.ts';
import { endpointText } from './addresses.ts';
import { closedHere, systemError } from './errors.ts';
import { delayedTime, injectFault, SpuriousWakeUps } from './faults.ts';
import type { TransportOwner } from './stream/connection.ts';
import type { SimTransport } from './transport.ts';

/** net.core.somaxconn of Linux. */
export const MAX_BACKLOG = 4096;

/** What a listener needs from the network of its host. */
export interface ListenerOwner extends TransportOwner {
  /** Throws EMFILE if no descriptor is left. A connection that is accepted holds one. */
  accepted(transport: SimTransport): void;
}

/** How a listener was bound. */
export interface Binding {
  readonly local: Endpoint;
  readonly backlog: number;
  readonly reusePort: boolean;
  /** On '::', IPv4 reaches it, too. */
  readonly dualStack: boolean;
  /** Of the buffers of connections. */
  readonly sizes: BufferSizes;
}

export class SimListener extends Readiness implements ListenerTransport {
  readonly local: Endpoint;
  readonly binding: Binding;
  /** Handshakes that are not complete. */
  halfOpen = 0;
  closed = false;
  readonly #owner: ListenerOwner;
  readonly #queue: SimTransport[] = [];
  readonly #spuriousWakeUps: SpuriousWakeUps;
  /** Called when it is closed: takes it out of the table of its host. */
  readonly #onClose: () => void;

  constructor(owner: ListenerOwner, binding: Binding, onClose: () => void) {
    super();
    this.#owner = owner;
    this.local = binding.local;
    this.binding = binding;
    this.#onClose = onClose;
    this.#spuriousWakeUps = new SpuriousWakeUps(owner.core, owner.host);
    this.#mayWakeSpuriously();
  }

  get queued(): number {
    return this.#queue.length;
  }

  get isFull(): boolean {
    return this.#queue.length + this.halfOpen > this.binding.backlog;
  }

  /** Names of host and core for what is connected to it. */
  get owner(): ListenerOwner {
    return this.#owner;
  }

  tryListen(): boolean {
    if (this.closed) throw this.#closedError();
    return true;
  }

  /** Puts a connection into the queue. If a fault delays it, it keeps its place in the backlog. */
  enqueue(connection: SimTransport): void {
    const { core, host } = this.#owner;
    if (!injectFault(core, 'slowAccept', host)) return this.#addToQueue(connection);
    this.halfOpen++;
    core.callAt(delayedTime(core), () => {
      this.halfOpen--;
      if (this.closed) connection.abort();
      else this.#addToQueue(connection);
    });
  }

  #addToQueue(connection: SimTransport): void {
    this.#spuriousWakeUps.reset();
    this.#queue.push(connection);
    this.notifyRecv();
  }

  tryAccept(): Transport | undefined {
    if (this.closed) throw this.#closedError();
    const next = this.#queue[0];
    if (next === undefined) return this.#markEmpty();
    const { core, host } = this.#owner;
    if (injectFault(core, 'emfile', host)) throw systemError('EMFILE', 'accept');
    this.#owner.accepted(next);
    this.#queue.shift();
    if (this.#queue.length === 0) this.#markEmpty();
    core.trace('accept', host, '', 0, () => next.describe());
    return next;
  }

  #markEmpty(): undefined {
    this.canRecv = false;
    this.#mayWakeSpuriously();
  }

  /** A task that waits from now on is woken although nothing has come. */
  #mayWakeSpuriously(): void {
    this.#spuriousWakeUps.mayWake(() => {
      if (!this.closed) this.notifyRecv();
    });
  }

  /** Connections that nobody has accepted are reset. */
  close(): void {
    if (this.closed) return;
    this.#release();
    for (const connection of this.#queue.splice(0)) connection.abort();
    if (this.recvWaiter === null && this.sendWaiter === null) return;
    this.rejectWaiters(this.#closedError());
  }

  /** The host has crashed: nobody waits any more, and what is in the queue is reset. */
  crash(): void {
    if (this.closed) return;
    this.recvWaiter = null;
    this.#release();
    for (const connection of this.#queue.splice(0)) connection.crash();
  }

  #release(): void {
    this.closed = true;
    this.canRecv = true;
    this.#onClose();
  }

  #closedError(): unknown {
    return closedHere(`The listener ${this.describe()}`);
  }

  override describe(): string {
    return endpointText(this.local);
  }

  openLine(): string {
    return `listener ${endpointText(this.local)}`;
  }
}
