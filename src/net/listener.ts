/** Listener: where connections come in. */

import type { Choice, Selectable } from '../flow/selectable.ts';
import { TryChoice } from '../flow/selectable.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { PAUSE, Step } from '../kernel/operation.ts';
import type { Pollable, Readiness } from '../kernel/readiness.ts';
import { mustPause, recvWait } from '../kernel/waits.ts';
import type { ListenerTransport } from '../world/network.ts';
import { SocketAddress } from './address.ts';
import { busySocket } from './errors.ts';
import { Socket } from './socket.ts';

/** Where connections come in; made by `listen`. */
export class Listener implements Pollable, Disposable {
  /** @internal */
  readonly transport: ListenerTransport;
  /** Where it is bound; the port is the real one if 0 was asked for. */
  readonly address: SocketAddress;
  /** The accept that is in progress. @internal */
  accepting: object | null = null;
  #closed = false;

  /** Listeners are made by `listen`. @internal */
  constructor(transport: ListenerTransport) {
    this.transport = transport;
    this.address = new SocketAddress(transport.local);
  }

  /**
   * Waits for the next connection. A connection that died in the queue is passed over.
   * Cancel: no connection is lost. Errors: ERR_CLOSED, ERR_BUSY; EMFILE, ENFILE, ENOBUFS, ENOMEM
   * when the system has no descriptor left (the connection stays queued).
   */
  accept(): Operation<Socket> {
    return new Accept(this);
  }

  /** The next connection if one is there. */
  tryAccept(): Socket | undefined {
    const transport = this.transport.tryAccept();
    return transport === undefined ? undefined : new Socket(transport);
  }

  /** Stops listening. Idempotent; connections that nobody has accepted are reset. */
  close(): void {
    this.#closed = true;
    this.transport.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** What `yield ['recv', listener]` waits on. */
  get readiness(): Readiness {
    return this.transport;
  }
}

class Accept extends Step<Socket> implements Selectable<Socket> {
  readonly #listener: Listener;

  constructor(listener: Listener) {
    super();
    this.#listener = listener;
  }

  next(): IteratorResult<Wait, Socket> {
    const listener = this.#listener;
    if (listener.accepting !== this) {
      if (listener.accepting !== null) throw busySocket('accept', `${listener.address}`);
      listener.accepting = this;
      if (mustPause()) return PAUSE;
    }
    try {
      const socket = listener.transport.canRecv ? listener.tryAccept() : undefined;
      if (socket === undefined) return recvWait(listener.transport);
      listener.accepting = null;
      return { done: true, value: socket };
    } catch (error) {
      return this.throw(error);
    }
  }

  /** For `select`: the accept is in progress until the choice is left. */
  asChoice(): Choice<Socket> {
    const listener = this[Symbol.iterator]().#listener;
    if (listener.accepting !== null) throw busySocket('accept', `${listener.address}`);
    listener.accepting = this;
    const attempt = () => (listener.transport.canRecv ? listener.tryAccept() : undefined);
    return new TryChoice(listener, 'recv', attempt, () => this.return());
  }

  override throw(error: unknown): IteratorResult<Wait, Socket> {
    if (this.#listener.accepting === this) this.#listener.accepting = null;
    throw error;
  }

  override return(value?: unknown): IteratorResult<Wait, Socket> {
    if (this.#listener.accepting === this) this.#listener.accepting = null;
    return super.return(value);
  }
}
