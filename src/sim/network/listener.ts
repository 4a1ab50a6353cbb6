/**
 * A listening socket on the simulated network.
 *
 * Invariants:
 *  1. At most `backlog + 1` connections wait here, half-open ones included, as on Linux.
 *  2. A connection is in the queue once it may be accepted. It stays in the queue when the peer
 *     resets it; the first operation of the program then reports the reset.
 */
import { Readiness } from '../../kernel/readiness.ts';
import type { BufferSizes, Endpoint, ListenerTransport, Transport } from '../../world/network.ts';
import { endpointText } from './addresses.ts';
import { closedHere, systemError } from './errors.ts';
import { delayedTime, injectFault, SpuriousWakeUps } from './faults.ts';
import type { SimHostNetwork } from './network.ts';
import type { SimTransport } from './transport.ts';

/** net.core.somaxconn of Linux. */
export const MAX_BACKLOG = 4096;

/** The parameters of a listener. */
export interface Binding {
  readonly local: Endpoint;
  readonly backlog: number;
  readonly reusePort: boolean;
  /** On '::': accepts IPv4 as well. */
  readonly dualStack: boolean;
  /** The buffer sizes of accepted connections. */
  readonly sizes: BufferSizes;
}

export class SimListener extends Readiness implements ListenerTransport {
  readonly local: Endpoint;
  readonly binding: Binding;
  /** The number of handshakes that are not complete. */
  halfOpen = 0;
  closed = false;
  readonly owner: SimHostNetwork;
  readonly #queue: SimTransport[] = [];
  readonly #spuriousWakeUps: SpuriousWakeUps;
  /** Removes the listener from the tables of its host. */
  readonly #onClose: () => void;

  constructor(owner: SimHostNetwork, binding: Binding, onClose: () => void) {
    super();
    this.owner = owner;
    this.local = binding.local;
    this.binding = binding;
    this.#onClose = onClose;
    this.#spuriousWakeUps = new SpuriousWakeUps(owner.core, owner.host, this);
    this.#markEmpty();
  }

  get queued(): number {
    return this.#queue.length;
  }

  get isFull(): boolean {
    return this.#queue.length + this.halfOpen > this.binding.backlog;
  }

  tryListen(): boolean {
    if (this.closed) throw this.#closedError();
    return true;
  }

  /** Queues a connection. If a fault delays it, it still counts for the backlog. */
  enqueue(connection: SimTransport): void {
    const { core, host } = this.owner;
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
    const { core, host } = this.owner;
    if (injectFault(core, 'emfile', host)) throw systemError('EMFILE', 'accept');
    this.owner.accepted(next);
    this.#queue.shift();
    if (this.#queue.length === 0) this.#markEmpty();
    core.trace('accept', host, '', 0, () => next.describe());
    return next;
  }

  #markEmpty(): undefined {
    this.canRecv = false;
    this.#spuriousWakeUps.mayWake('recv');
  }

  /** Resets the connections in the queue. */
  close(): void {
    if (this.closed) return;
    this.#release();
    for (const connection of this.#queue.splice(0)) connection.abort();
    if (this.recvWaiter === null && this.sendWaiter === null) return;
    this.rejectWaiters(this.#closedError());
  }

  /** The host has crashed. No task waits any more; connections in the queue are reset. */
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
