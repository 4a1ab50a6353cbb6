/** Listener: where connections come in. */

import type { Case, Selectable } from '../../flow/select/case.ts';
import { AttemptCase } from '../../flow/select/case.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { PAUSE, Step } from '../../kernel/operation.ts';
import type { Pollable, Readiness } from '../../kernel/readiness.ts';
import { mustPause, recvWait } from '../../kernel/waits.ts';
import type { HandshakeStage, HandshakeStats } from '../../world/handshake.ts';
import type { ListenerTransport } from '../../world/network.ts';
import type { TlsServerOptions } from '../../world/tls.ts';
import { SocketAddress } from '../address.ts';
import { busySocket } from '../errors.ts';
import type { HandshakingListener } from '../handshake/handshaking-listener.ts';
import { checkTlsServer, tlsOptionsError } from '../tls/options.ts';
import { Socket } from './socket.ts';

/** What stands in front of a listener's connections; `transport` is the last of them. */
export interface HandshakeStages {
  readonly proxyHeaders?: HandshakingListener | undefined;
  readonly tls?: HandshakingListener | undefined;
  /** Makes a gate for other options of TLS. */
  readonly tlsStageFor?: ((options: TlsServerOptions) => HandshakeStage) | undefined;
}

/** Where connections come in; made by `listen`. */
export class Listener implements Pollable, Disposable {
  /** @internal */
  readonly transport: ListenerTransport;
  /** @internal */
  readonly stages: HandshakeStages;
  /** Where it is bound; the port is the real one if 0 was asked for. */
  readonly address: SocketAddress;
  /** The accept that is in progress. @internal */
  accepting: object | null = null;
  #closed = false;

  /** Listeners are made by `listen`. @internal */
  constructor(transport: ListenerTransport, stages: HandshakeStages = {}) {
    this.transport = transport;
    this.stages = stages;
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

  /**
   * Handshakes of TLS since the listener began, as a frozen record: under way, waiting to be
   * accepted, completed, failed, timed out, and the last failure. A failed handshake reaches no
   * handler, so this is where it shows. `undefined` without TLS.
   */
  get handshakes(): HandshakeStats | undefined {
    return this.stages.tls?.stats();
  }

  /**
   * The same of the headers with which proxies begin. A connection of somebody who is not trusted
   * has failed, with ERR_PROXY_UNTRUSTED. `undefined` without `proxyProtocol`.
   */
  get proxyHeaders(): HandshakeStats | undefined {
    return this.stages.proxyHeaders?.stats();
  }

  /**
   * Certificate, key and all other options of TLS, for connections from now on; they replace the
   * old ones as a whole. Connections that stand keep theirs.
   * Errors: ERR_TLS_OPTIONS for a certificate or a key that cannot be used (the old ones stay in
   * force), and on a listener without TLS; ERR_CLOSED.
   */
  reloadTls(options: TlsServerOptions): void {
    const { tls, tlsStageFor } = this.stages;
    if (tls === undefined || tlsStageFor === undefined) {
      throw tlsOptionsError(
        `The listener ${this.address} was made without TLS, so there is nothing to reload.\n` +
          '  right:  listen(address, { tls: { cert, key } })',
      );
    }
    checkTlsServer(options);
    tls.replaceStage(() => tlsStageFor(options));
  }

  /** Stops listening. Idempotent; connections that nobody has accepted are reset. */
  close(): void {
    this.#closed = true;
    this.transport.close();
  }

  /** The gate that connections come out of; `undefined`: there is none. @internal */
  get lastStage(): HandshakingListener | undefined {
    return this.stages.tls ?? this.stages.proxyHeaders;
  }

  /** Gives up those who have been at a gate for so long. @internal */
  abortHandshakesOlderThan(ms: number): void {
    this.stages.proxyHeaders?.abortOlderThan(ms);
    this.stages.tls?.abortOlderThan(ms);
  }

  /** True: somebody is at a gate, or has come through and waits to be accepted. @internal */
  get hasHandshakes(): boolean {
    return (
      this.stages.proxyHeaders?.hasHandshakes === true || this.stages.tls?.hasHandshakes === true
    );
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
  asCase(): Case<Socket> {
    const listener = this[Symbol.iterator]().#listener;
    if (listener.accepting !== null) throw busySocket('accept', `${listener.address}`);
    listener.accepting = this;
    const attempt = () => (listener.transport.canRecv ? listener.tryAccept() : undefined);
    return new AttemptCase(listener, 'recv', attempt, () => this.return());
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
