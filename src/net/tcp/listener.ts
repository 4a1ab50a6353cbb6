/** Listener: accepts connections. */

import type { Case, Selectable } from '../../kernel/case.ts';
import { AttemptCase } from '../../kernel/case.ts';
import type { Wait } from '../../kernel/operation.ts';
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

/** The handshakes of a listener. The listener's `transport` is the last one. */
export interface HandshakeStages {
  readonly proxyHeaders?: HandshakingListener | undefined;
  readonly tls?: HandshakingListener | undefined;
  /** Creates a stage with other TLS options. */
  readonly tlsStageFor?: ((options: TlsServerOptions) => HandshakeStage) | undefined;
}

/**
 * Accepts connections at an address; created by `listen`.
 *
 * @example
 * const listener = yield* listen(8000);
 * const socket = yield* listener.accept();
 */
export class Listener implements Pollable, Disposable {
  /** @internal */
  readonly transport: ListenerTransport;
  /** @internal */
  readonly stages: HandshakeStages;
  /** The bound address, with the real port if 0 was requested. */
  readonly address: SocketAddress;
  /** The accept that is in progress. @internal */
  accepting: object | null = null;
  #closed = false;

  /** Listeners are created by `listen`. @internal */
  constructor(transport: ListenerTransport, stages: HandshakeStages = {}) {
    this.transport = transport;
    this.stages = stages;
    this.address = new SocketAddress(transport.local);
  }

  /**
   * Waits for the next connection. A connection that ended in the queue is skipped.
   * Cancel: no connection is lost.
   * Errors: ERR_CLOSED, ERR_BUSY; EMFILE, ENFILE, ENOBUFS, ENOMEM if the system has no descriptor
   * left (the connection stays in the queue).
   */
  accept(): Selectable<Socket> {
    return new Accept(this);
  }

  /** The next connection; `undefined`: would block. Errors: as `accept`. */
  tryAccept(): Socket | undefined {
    const transport = this.transport.tryAccept();
    return transport === undefined ? undefined : new Socket(transport);
  }

  /**
   * Counters of the TLS handshakes since the listener was opened, as a frozen record: pending,
   * waiting to be accepted, completed, failed, timed out, and the last failure. A failed handshake
   * does not reach a handler, so this is where it is reported. `undefined` without TLS.
   */
  get handshakes(): HandshakeStats | undefined {
    return this.stages.tls?.stats();
  }

  /**
   * The same counters for PROXY headers. A connection from an untrusted address counts as failed,
   * with ERR_PROXY_UNTRUSTED. `undefined` without `proxyProtocol`.
   */
  get proxyHeaders(): HandshakeStats | undefined {
    return this.stages.proxyHeaders?.stats();
  }

  /**
   * Replaces all TLS options, including certificate and key, for connections that are accepted from
   * now on. Open connections keep theirs.
   * Errors: ERR_TLS_OPTIONS for an unusable certificate or key (the previous options stay in
   * effect), and on a listener without TLS; ERR_CLOSED.
   */
  reloadTls(options: TlsServerOptions): void {
    const { tls, tlsStageFor } = this.stages;
    if (tls === undefined || tlsStageFor === undefined) {
      throw tlsOptionsError(
        `The listener ${this.address} was opened without TLS, so it has no options to reload.\n` +
          '  right:  listen(address, { tls: { cert, key } })',
      );
    }
    checkTlsServer(options);
    tls.replaceStage(() => tlsStageFor(options));
  }

  /** Stops listening. Idempotent. Connections that are not accepted are reset. */
  close(): void {
    this.#closed = true;
    this.transport.close();
  }

  /** The stage that completed connections come from; `undefined`: no handshake. @internal */
  get lastStage(): HandshakingListener | undefined {
    return this.stages.tls ?? this.stages.proxyHeaders;
  }

  /** Aborts the handshakes that have taken `ms` milliseconds or more. @internal */
  abortHandshakesOlderThan(ms: number): void {
    this.stages.proxyHeaders?.abortOlderThan(ms);
    this.stages.tls?.abortOlderThan(ms);
  }

  /** True: a handshake is pending, or a connection waits to be accepted after it. @internal */
  get hasHandshakes(): boolean {
    const { proxyHeaders, tls } = this.stages;
    return proxyHeaders?.hasHandshakes === true || tls?.hasHandshakes === true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The resource of `yield ['recv', listener]`. */
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

  /** For `select`: the accept is in progress until the case is left. */
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
