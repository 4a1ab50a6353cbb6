/**
 * A listener whose connections have to come through a gate first: a handshake of TLS, a header of a
 * proxy.
 *
 *   raw queue ──tryAccept──► under way ──► through ──tryAccept──► the program
 *                               └──► failed: closed and counted
 *
 * Gates stand one behind the other: the raw listener may be a gated one itself.
 *
 * Invariants:
 *  1. Connections are taken from the raw listener in `tryAccept` only, so a program that does not
 *     accept leaves them where they are.
 *  2. No more connections than the gate allows, and than the program has room for, are under way or
 *     wait to be accepted behind it. One may always be.
 *  3. Nobody waits for a passage: each goes on by itself, and the gate bounds its time.
 *  4. A shortage (EMFILE, …) is thrown only where no connection is there to hand out.
 */
import { ClosedError } from '../kernel/errors.ts';
import type { ReadinessWaiter } from '../kernel/readiness.ts';
import { Readiness } from '../kernel/readiness.ts';
import type { Gate, HandshakeFailure, HandshakeStats, Passage } from '../world/gate.ts';
import type { Endpoint, ListenerTransport, Transport } from '../world/network.ts';

/** Why a connection did not come through, and from whom it came. */
export interface GateFailure {
  readonly error: Error & { readonly code?: string };
  readonly remote: Endpoint;
}

export class GatedListener extends Readiness implements ListenerTransport, ReadinessWaiter {
  /** How many connections the program has room for. */
  ahead: number = Infinity;
  /** Hears of failures, in `tryAccept`. */
  onFailed: ((failure: GateFailure) => void) | null = null;
  readonly #raw: ListenerTransport;
  #gate: Gate;
  readonly #underWay = new Set<Way>();
  /** Through, not handed out yet. */
  readonly #ready: Transport[] = [];
  /** Of which nobody has heard yet. */
  readonly #failures: GateFailure[] = [];
  #completed = 0;
  #failed = 0;
  #timedOut = 0;
  #lastFailure: HandshakeFailure | undefined = undefined;
  /** Nobody comes in any more, what is under way goes on. */
  #finishing = false;
  #closed = false;

  constructor(raw: ListenerTransport, gate: Gate) {
    super();
    this.#raw = raw;
    this.#gate = gate;
    this.canRecv = true;
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

  tryAccept(): Transport | undefined {
    if (this.#closed) throw this.#closedError();
    this.#takeMore();
    this.#tellFailures();
    const next = this.#ready.shift();
    this.#lookOut();
    if (next === undefined && this.through) {
      this.close();
      throw this.#closedError();
    }
    return next;
  }

  /** While nobody is through: whoever is, is handed out first, and the others have left the queue
   *  below no earlier than they have to. */
  #takeMore(): void {
    const raw = this.#raw;
    try {
      while (this.#ready.length === 0 && this.#room > 0) {
        raw.ahead = this.#room;
        const connection = raw.canRecv ? raw.tryAccept() : undefined;
        if (connection === undefined) return;
        this.#begin(connection);
      }
    } catch (error) {
      const isOver = this.#finishing && (error as { code?: unknown }).code === 'ERR_CLOSED';
      if (!isOver) throw error;
    }
  }

  #begin(raw: Transport): void {
    const way = new Way(raw, this);
    this.#underWay.add(way);
    const giveUp = this.#gate.begin(way);
    if (this.#underWay.has(way)) way.giveUp = giveUp;
  }

  /** Connections that may be taken from the raw listener now. */
  get #room(): number {
    const most = Math.max(1, Math.min(this.#gate.most, this.ahead));
    return most - this.#ready.length - this.#underWay.size;
  }

  /** Another accept is worth a try now, or when something comes in below, or leaves the gate. */
  #lookOut(): void {
    const raw = this.#raw;
    const hasRoom = this.#room > 0;
    this.canRecv = this.#ready.length > 0 || (hasRoom && raw.canRecv);
    if (hasRoom && !raw.canRecv) raw.recvWaiter = this;
  }

  /** Something has come in at the raw listener: an accept is worth a try. */
  grant(): void {
    this.grantRecv();
  }

  refuse(): void {
    if (this.#finishing) this.grantRecv();
    else this.close();
  }

  shed(most: number): number {
    return this.#raw.shed?.(most) ?? 0;
  }

  get queued(): number | undefined {
    return this.#raw.queued;
  }

  get overflowed(): number | undefined {
    return this.#raw.overflowed;
  }

  // ---- the gate ----

  /** For connections from now on. */
  replaceGate(make: () => Gate): void {
    if (this.#closed) throw this.#closedError();
    this.#gate = make();
    this.grantRecv();
  }

  /** A connection has left the gate; there is room for another one now. */
  left(way: Way, transport: Transport | null): void {
    if (!this.#underWay.delete(way)) return;
    if (transport !== null) {
      this.#completed += 1;
      this.#ready.push(transport);
    }
    this.grantRecv();
  }

  failed(way: Way, error: Error & { readonly code?: string }): void {
    if (!this.#underWay.has(way)) return;
    const { code = '', message } = error;
    this.#failed += 1;
    if (code === 'ERR_TIMEOUT') this.#timedOut += 1;
    this.#lastFailure = Object.freeze({ code, message, peer: way.raw.describe() });
    if (this.onFailed !== null) this.#failures.push({ error, remote: way.raw.remote });
    this.left(way, null);
  }

  #tellFailures(): void {
    if (this.#failures.length === 0) return;
    for (const failure of this.#failures.splice(0)) this.onFailed?.(failure);
  }

  stats(): HandshakeStats {
    return Object.freeze({
      underWay: this.#underWay.size,
      waiting: this.#ready.length,
      completed: this.#completed,
      failed: this.#failed,
      timedOut: this.#timedOut,
      lastFailure: this.#lastFailure,
    });
  }

  // ---- the end ----

  /** Stops listening. What is under way goes on; after the last, accepting gives ERR_CLOSED. */
  finish(): void {
    if (this.#closed || this.#finishing) return;
    this.#finishing = true;
    if (this.#raw instanceof GatedListener) this.#raw.finish();
    else this.#closeRaw();
    this.grantRecv();
  }

  /** True: nobody will be handed out any more. */
  get through(): boolean {
    if (this.#closed) return true;
    if (!this.#finishing || this.#underWay.size > 0 || this.#ready.length > 0) return false;
    return !(this.#raw instanceof GatedListener) || this.#raw.through;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeRaw();
    for (const { giveUp } of this.#underWay) giveUp?.();
    this.#underWay.clear();
    for (const transport of this.#ready.splice(0)) transport.reset();
    this.refuseWaiters(this.#closedError());
  }

  #closeRaw(): void {
    if (this.#raw.recvWaiter === this) this.#raw.recvWaiter = null;
    this.#raw.close();
  }

  #closedError(): ClosedError {
    return new ClosedError('ERR_CLOSED', `The listener ${this.describe()} was closed here`);
  }
}

/** One connection that is under way. What is told after its end is passed over. */
class Way implements Passage {
  readonly raw: Transport;
  /** Absent while the gate begins. */
  giveUp: (() => void) | undefined = undefined;
  readonly #listener: GatedListener;

  constructor(raw: Transport, listener: GatedListener) {
    this.raw = raw;
    this.#listener = listener;
  }

  passed(transport: Transport): void {
    this.#listener.left(this, transport);
  }

  failed(error: Error & { readonly code?: string }): void {
    this.#listener.failed(this, error);
  }

  gone(): void {
    this.#listener.left(this, null);
  }
}
