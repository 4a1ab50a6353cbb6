/**
 * A listener whose connections are TLS, over a listener of any network.
 *
 *   raw queue ──tryAccept──► handshakes under way ──► complete ──tryAccept──► the program
 *                                     └──► failed: closed and counted
 *
 * Invariants:
 *  1. Connections are taken from the raw listener in `tryAccept` only, so a program that does not
 *     accept leaves them where they are.
 *  2. At most `maxHandshakes` connections are in a handshake or wait to be accepted after it.
 *  3. Nobody waits for a handshake: it runs on its own, within its time limit.
 *  4. A shortage (EMFILE, …) is thrown only where no complete connection is there to hand out.
 */
import type { Server } from 'node:tls';
import { createServer } from 'node:tls';
import { ClosedError } from '../kernel/errors.ts';
import type { ReadinessWaiter } from '../kernel/readiness.ts';
import { Readiness } from '../kernel/readiness.ts';
import type { Endpoint, ListenerTransport, TlsListenerTransport } from '../world/network.ts';
import type { HandshakeFailure, HandshakeStats, TlsServerOptions } from '../world/tls.ts';
import type { HandshakeOwner } from './tls-handshake.ts';
import { failureRecord, Handshake, reportOutcomes } from './tls-handshake.ts';
import { handshakeTimeoutOf, secureContext, serverOptions, usable } from './tls-options.ts';
import type { TlsHome, TlsTransport } from './tls-transport.ts';

const DEFAULT_MAX_HANDSHAKES = 64;

/** What the TLS listeners of one network share. */
export interface TlsListenerHome extends TlsHome {
  /** The open ones. */
  readonly listeners: Set<TlsListener>;
}

/** A server of node:tls that never listens, and what concerns the listener. */
export interface PreparedServer {
  readonly server: Server;
  readonly timeoutMs: number;
  readonly most: number;
}

/** Makes what the connections of a listener share. Throws ERR_TLS_OPTIONS. */
export function makeServer(options: TlsServerOptions): PreparedServer {
  const nodeOptions = serverOptions(options);
  // For its words: node:tls would complain from inside of the server's making.
  secureContext(nodeOptions, 'tls');
  const server = usable('tls', () => createServer({ ...nodeOptions, allowHalfOpen: true }));
  reportOutcomes(server);
  const most = options.maxHandshakes ?? DEFAULT_MAX_HANDSHAKES;
  return { server, timeoutMs: handshakeTimeoutOf(options), most };
}

export class TlsListener
  extends Readiness
  implements TlsListenerTransport, HandshakeOwner, ReadinessWaiter
{
  readonly home: TlsListenerHome;
  readonly #raw: ListenerTransport;
  #prepared: PreparedServer;
  readonly #underWay = new Set<Handshake>();
  /** Complete, not handed out yet. */
  readonly #ready: TlsTransport[] = [];
  #completed = 0;
  #failed = 0;
  #timedOut = 0;
  #lastFailure: HandshakeFailure | undefined = undefined;
  /** The raw listener is closed, what is under way goes on. */
  #finishing = false;
  #closed = false;

  constructor(raw: ListenerTransport, prepared: PreparedServer, home: TlsListenerHome) {
    super();
    this.#raw = raw;
    this.#prepared = prepared;
    this.home = home;
    this.canRecv = true;
    home.listeners.add(this);
  }

  get local(): Endpoint {
    return this.#raw.local;
  }

  override describe(): string {
    return this.#raw.describe();
  }

  tryListen(): boolean {
    return this.#raw.tryListen();
  }

  tryAccept(): TlsTransport | undefined {
    if (this.#closed) throw this.#closedError();
    this.#beginHandshakes();
    const next = this.#ready.shift();
    this.canRecv = this.#ready.length > 0 || (this.#hasRoom() && this.#raw.canRecv);
    if (next === undefined && this.#isThrough()) {
      this.close();
      throw this.#closedError();
    }
    return next;
  }

  #beginHandshakes(): void {
    const raw = this.#raw;
    try {
      while (this.#hasRoom()) {
        const connection = raw.canRecv ? raw.tryAccept() : undefined;
        if (connection === undefined) return this.#waitForMore();
        const handshake = new Handshake(connection, this, this.#prepared.timeoutMs);
        this.#underWay.add(handshake);
        handshake.begin(this.#prepared.server);
      }
    } catch (error) {
      if (this.#ready.length === 0) throw error;
    }
  }

  #hasRoom(): boolean {
    if (this.#finishing) return false;
    return this.#ready.length + this.#underWay.size < this.#prepared.most;
  }

  #waitForMore(): void {
    if (!this.#raw.canRecv) this.#raw.recvWaiter = this;
  }

  /** Something has come in at the raw listener: an accept is worth a try. */
  grant(): void {
    this.grantRecv();
  }

  refuse(): void {
    this.close();
  }

  shed(most: number): number {
    return this.#raw.shed?.(most) ?? 0;
  }

  get overflowed(): number | undefined {
    return this.#raw.overflowed;
  }

  // ---- handshakes ----

  completed(handshake: Handshake, transport: TlsTransport): void {
    this.#underWay.delete(handshake);
    this.#completed += 1;
    this.#ready.push(transport);
    this.grantRecv();
  }

  /** There is room for another one now. */
  failed(handshake: Handshake, error: Error & { code?: string }): void {
    this.#underWay.delete(handshake);
    this.#failed += 1;
    if (error.code === 'ERR_TIMEOUT') this.#timedOut += 1;
    this.#lastFailure = failureRecord(error, handshake.raw.describe());
    this.grantRecv();
  }

  handshakes(): HandshakeStats {
    return Object.freeze({
      underWay: this.#underWay.size,
      waiting: this.#ready.length,
      completed: this.#completed,
      failed: this.#failed,
      timedOut: this.#timedOut,
      lastFailure: this.#lastFailure,
    });
  }

  reload(options: TlsServerOptions): void {
    if (this.#closed) throw this.#closedError();
    this.#prepared = makeServer(options);
    this.grantRecv();
  }

  // ---- the end ----

  finish(): void {
    if (this.#closed || this.#finishing) return;
    this.#finishing = true;
    this.#leaveRaw();
    this.#raw.close();
    this.grantRecv();
  }

  #isThrough(): boolean {
    return this.#finishing && this.#underWay.size === 0 && this.#ready.length === 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.home.listeners.delete(this);
    this.#leaveRaw();
    this.#raw.close();
    for (const handshake of this.#underWay) handshake.abort();
    this.#underWay.clear();
    for (const transport of this.#ready.splice(0)) transport.reset();
    this.refuseWaiters(this.#closedError());
  }

  #leaveRaw(): void {
    if (this.#raw.recvWaiter === this) this.#raw.recvWaiter = null;
  }

  #closedError(): ClosedError {
    return new ClosedError('ERR_CLOSED', `The listener ${this.describe()} was closed here`);
  }
}
