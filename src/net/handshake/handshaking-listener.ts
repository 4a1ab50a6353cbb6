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
 *  4. Who says nothing at the gate keeps nobody out: while others wait below for a place, who is
 *     slower than PATIENCE_MS gives way, the oldest first.
 *  5. A shortage (EMFILE, …) is thrown only where no connection is there to hand out.
 */
import { ClosedError, TimeoutError } from '../../kernel/errors.ts';
import type { ReadinessWaiter } from '../../kernel/readiness.ts';
import { Readiness } from '../../kernel/readiness.ts';
import type { Scheduler } from '../../kernel/scheduler.ts';
import type { TimerTarget } from '../../kernel/timers.ts';
import { Timer } from '../../kernel/timers.ts';
import type {
  HandshakeFailure,
  HandshakeStage,
  HandshakeStats,
  PendingHandshake,
} from '../../world/handshake.ts';
import type { Endpoint, ListenerTransport, Transport } from '../../world/network.ts';

/** Why a connection did not come through, and from whom it came. */
export interface FailedHandshake {
  readonly error: Error & { readonly code?: string };
  readonly remote: Endpoint;
}

/** Who decides whether a peer may come to the gate at all. */
export interface AdmissionPolicy {
  /** False: the connection is reset. */
  admits(remote: Endpoint): boolean;
  /** One that was admitted has not come through. */
  released(remote: Endpoint): void;
}

/** A handshake takes two round trips; a slow one, over a satellite, a second and a half. */
const SLOW_HANDSHAKE_MS = 2000;

/** Connections that one accept takes at most: a gate may refuse all of them at once. */
const MAX_ACCEPTS_PER_CALL = 64;

export class HandshakingListener
  extends Readiness
  implements ListenerTransport, ReadinessWaiter, TimerTarget
{
  /** Hears of failures, in `tryAccept`. */
  onHandshakeFailed: ((failure: FailedHandshake) => void) | null = null;
  admissionPolicy: AdmissionPolicy | null = null;
  /** Those who have gone before they wanted anything: they are no failures. */
  disconnected = 0;
  readonly #raw: ListenerTransport;
  readonly #scheduler: Scheduler;
  /** For those who have to give way. */
  readonly #evictionTimer = new Timer(this);
  #stage: HandshakeStage;
  #acceptBatch = Infinity;
  readonly #pending = new Set<PendingHandshakeImpl>();
  /** Through, not handed out yet. */
  readonly #ready: Transport[] = [];
  /** Of which nobody has heard yet. */
  readonly #unreportedFailures: FailedHandshake[] = [];
  #completed = 0;
  #failed = 0;
  #timedOut = 0;
  #lastFailure: HandshakeFailure | undefined = undefined;
  /** Whoever waits below is let in, and nobody else; what is under way goes on. */
  #finishing = false;
  #rawClosed = false;
  #closed = false;

  constructor(raw: ListenerTransport, gate: HandshakeStage, scheduler: Scheduler) {
    super();
    this.#raw = raw;
    this.#stage = gate;
    this.#scheduler = scheduler;
    this.canRecv = true;
  }

  get local(): Endpoint {
    return this.#raw.local;
  }

  override describe(): string {
    return this.#raw.describe();
  }

  /** How many connections the program has room for. */
  get acceptBatch(): number {
    return this.#acceptBatch;
  }

  /** Whoever waits to accept hears of it where there was no room before, here or below. */
  set acceptBatch(count: number) {
    const hadRoom = this.#freeCapacity > 0;
    this.#acceptBatch = count;
    if (this.#raw instanceof HandshakingListener) this.#raw.acceptBatch = this.#freeCapacity;
    if (!hadRoom && this.#freeCapacity > 0) this.notifyRecv();
  }

  tryListen(): boolean {
    return this.#raw.tryListen();
  }

  tryAccept(): Transport | undefined {
    if (this.#closed) throw this.#closedError();
    this.#acceptMore();
    this.#reportFailures();
    const next = this.#ready.shift();
    this.#updateReadiness();
    if (next === undefined && this.finished) {
      this.close();
      throw this.#closedError();
    }
    return next;
  }

  /** While nobody is through: whoever is, is handed out first, and the others have left the queue
   *  below no earlier than they have to. */
  #acceptMore(): void {
    const raw = this.#raw;
    try {
      for (let left = MAX_ACCEPTS_PER_CALL; left > 0; left--) {
        if (this.#ready.length > 0 || this.#freeCapacity <= 0) return;
        raw.acceptBatch = this.#freeCapacity;
        // Before the door is closed the system is asked, whatever it has told so far.
        const isWorthIt = raw.canRecv || this.#finishing;
        const connection = isWorthIt ? raw.tryAccept() : undefined;
        if (connection === undefined) return this.#onRawEmpty();
        this.#startHandshake(connection);
      }
    } catch (error) {
      const isOver = this.#finishing && (error as { code?: unknown }).code === 'ERR_CLOSED';
      if (!isOver) throw error;
      this.#onRawEmpty();
    }
  }

  #onRawEmpty(): void {
    if (this.#finishing && !(this.#raw instanceof HandshakingListener)) this.#closeRaw();
  }

  #startHandshake(raw: Transport): void {
    if (this.admissionPolicy?.admits(raw.remote) === false) return raw.reset();
    const way = new PendingHandshakeImpl(raw, this, this.#scheduler.now());
    this.#pending.add(way);
    const giveUp = this.#stage.start(way);
    if (this.#pending.has(way)) way.abort = giveUp;
  }

  /** Connections that may be taken from the raw listener now. */
  get #freeCapacity(): number {
    const most = Math.max(1, Math.min(this.#stage.maxPending, this.#acceptBatch));
    return most - this.#ready.length - this.#pending.size;
  }

  /** Another accept is worth a try now, or when something comes in below, or leaves the gate. */
  #updateReadiness(): void {
    if (this.#closed) return;
    const raw = this.#raw;
    const hasRoom = this.#freeCapacity > 0;
    this.canRecv = this.#ready.length > 0 || (hasRoom && raw.canRecv && !this.#rawFinished);
    if (!raw.canRecv) raw.recvWaiter = this;
    else if (!hasRoom) this.#armEviction();
  }

  /** Somebody has come in below, or the listener there was closed: an accept is worth a try. */
  notify(): void {
    if (this.#freeCapacity > 0 || this.#finishing) this.notifyRecv();
    else this.#armEviction();
  }

  /** Others wait for a place: the slowest has so much time left. */
  #armEviction(): void {
    const [oldest] = this.#pending;
    if (oldest !== undefined)
      this.#scheduler.arm(this.#evictionTimer, oldest.startedAt + SLOW_HANDSHAKE_MS);
  }

  expire(): void {
    const [oldest] = this.#pending;
    if (oldest === undefined || this.#freeCapacity > 0) return;
    if (this.#scheduler.now() < oldest.startedAt + SLOW_HANDSHAKE_MS) return this.#armEviction();
    if (this.#hasWaitingConnections) this.#abort(oldest, SLOW_HANDSHAKE_MS);
    else this.#raw.recvWaiter = this;
  }

  /** Somebody waits below, or may: a flag there says only that an accept is worth a try. */
  get #hasWaitingConnections(): boolean {
    const raw = this.#raw;
    const isThrough = raw instanceof HandshakingListener && raw.#ready.length > 0;
    return isThrough || raw.queued !== 0;
  }

  /** Gives up those who have been under way for so long. */
  abortOlderThan(ms: number): void {
    const now = this.#scheduler.now();
    for (const way of this.#pending) if (way.startedAt + ms <= now) this.#abort(way, ms);
  }

  #abort(way: PendingHandshakeImpl, ms: number): void {
    way.abort?.();
    this.handshakeFailed(way, new TimeoutError(ms, `${way.raw.describe()} to come in`));
  }

  reject(): void {
    if (this.#finishing) this.notifyRecv();
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
  replaceStage(make: () => HandshakeStage): void {
    if (this.#closed) throw this.#closedError();
    this.#stage = make();
    this.notifyRecv();
  }

  /** A connection has left the gate; there is room for another one now. */
  handshakeEnded(way: PendingHandshakeImpl, transport: Transport | null): void {
    if (!this.#pending.delete(way)) return;
    if (transport === null) {
      this.admissionPolicy?.released(way.raw.remote);
    } else {
      this.#completed += 1;
      this.#ready.push(transport);
    }
    this.notifyRecv();
  }

  handshakeFailed(way: PendingHandshakeImpl, error: Error & { readonly code?: string }): void {
    if (!this.#pending.has(way)) return;
    const { code = '', message } = error;
    this.#failed += 1;
    if (code === 'ERR_TIMEOUT') this.#timedOut += 1;
    this.#lastFailure = Object.freeze({ code, message, peer: way.raw.describe() });
    if (this.onHandshakeFailed !== null)
      this.#unreportedFailures.push({ error, remote: way.raw.remote });
    this.handshakeEnded(way, null);
  }

  peerDisconnected(way: PendingHandshakeImpl): void {
    if (this.#pending.has(way)) this.disconnected += 1;
    this.handshakeEnded(way, null);
  }

  #reportFailures(): void {
    if (this.#unreportedFailures.length === 0) return;
    for (const failure of this.#unreportedFailures.splice(0)) this.onHandshakeFailed?.(failure);
  }

  stats(): HandshakeStats {
    return Object.freeze({
      pending: this.#pending.size,
      waiting: this.#ready.length,
      completed: this.#completed,
      failed: this.#failed,
      timedOut: this.#timedOut,
      lastFailure: this.#lastFailure,
    });
  }

  // ---- the end ----

  /** Lets in whoever waits below, and stops listening then. What is under way goes on; after the
   *  last, accepting gives ERR_CLOSED. */
  finish(): void {
    if (this.#closed || this.#finishing) return;
    this.#finishing = true;
    if (this.#raw instanceof HandshakingListener) this.#raw.finish();
    this.notifyRecv();
  }

  /** True: nobody will be handed out any more. */
  get finished(): boolean {
    if (this.#closed) return true;
    return this.#finishing && !this.hasHandshakes && this.#rawFinished;
  }

  /** Nobody will come in below any more. */
  get #rawFinished(): boolean {
    return this.#raw instanceof HandshakingListener ? this.#raw.finished : this.#rawClosed;
  }

  /** True: somebody is under way, or has come through and waits to be accepted. */
  get hasHandshakes(): boolean {
    return this.#pending.size > 0 || this.#ready.length > 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#scheduler.disarm(this.#evictionTimer);
    this.#closeRaw();
    for (const { abort } of this.#pending) abort?.();
    this.#pending.clear();
    for (const transport of this.#ready.splice(0)) transport.reset();
    this.rejectWaiters(this.#closedError());
  }

  #closeRaw(): void {
    this.#rawClosed = true;
    if (this.#raw.recvWaiter === this) this.#raw.recvWaiter = null;
    this.#raw.close();
  }

  #closedError(): ClosedError {
    return new ClosedError('ERR_CLOSED', `The listener ${this.describe()} was closed here`);
  }
}

/** One connection that is under way. What is told after its end is passed over. */
class PendingHandshakeImpl implements PendingHandshake {
  readonly raw: Transport;
  readonly startedAt: number;
  /** Absent while the gate begins. */
  abort: (() => void) | undefined = undefined;
  readonly #listener: HandshakingListener;

  constructor(raw: Transport, listener: HandshakingListener, startedAt: number) {
    this.raw = raw;
    this.startedAt = startedAt;
    this.#listener = listener;
  }

  complete(transport: Transport): void {
    this.#listener.handshakeEnded(this, transport);
  }

  fail(error: Error & { readonly code?: string }): void {
    this.#listener.handshakeFailed(this, error);
  }

  disconnected(): void {
    this.#listener.peerDisconnected(this);
  }
}
