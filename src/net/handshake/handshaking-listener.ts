/**
 * A listener whose connections have to complete a handshake first: TLS, or a PROXY header.
 *
 *   raw listener ──tryAccept──► admitted? ──no──► reset
 *                                   │ yes
 *                                   ▼
 *                                pending ──► completed ──tryAccept──► the program
 *                                   ├──► failed: counted, reported in the next tryAccept
 *                                   └──► disconnected: counted
 *
 * A pending handshake has no task: it proceeds in callbacks, and its stage limits its time. The raw
 * listener may be a HandshakingListener itself: a PROXY header is read before TLS starts.
 *
 * Invariants:
 *  1. Only `tryAccept` takes connections from the raw listener. While the program does not accept,
 *     connections stay in the raw listener's queue.
 *  2. The number of pending and completed connections is at most the stage's `maxPending` and the
 *     program's `acceptBatch`, but at least one connection is always allowed.
 *  3. A connection enters `#pending` once and leaves it once. An outcome that is reported after
 *     that has no effect.
 *  4. Silent peers do not block others: while connections wait in the raw listener because the
 *     limit is reached, the oldest handshake is aborted once it has taken SLOW_HANDSHAKE_MS.
 *  5. A shortage (EMFILE, …) is thrown only if no completed connection can be returned instead.
 *  6. After `finish()`, connections that already wait in the raw listener are still accepted. Then
 *     the raw listener is closed, and this one after its last connection was accepted.
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

type HandshakeError = Error & { readonly code?: string };

/** A failed handshake, with its peer. */
export interface FailedHandshake {
  readonly error: HandshakeError;
  readonly remote: Endpoint;
}

/** A pending handshake. */
interface PendingRecord extends PendingHandshake {
  /** Milliseconds on the scheduler's clock. */
  readonly startedAt: number;
  /** Absent until `HandshakeStage.start` has returned. */
  abort: (() => void) | undefined;
}

/** Decides which peers may start a handshake. */
export interface AdmissionPolicy {
  /** False: the connection is reset. */
  admits(remote: Endpoint): boolean;
  /** The handshake of an admitted connection has failed, or its peer has disconnected. */
  released(remote: Endpoint): void;
}

/** A handshake takes two round trips: 1.5 seconds on a slow link, such as a satellite's. */
const SLOW_HANDSHAKE_MS = 2000;

/** Bounds the work of one call: the stage may fail every connection at once. */
const MAX_ACCEPTS_PER_CALL = 64;

export class HandshakingListener
  extends Readiness
  implements ListenerTransport, ReadinessWaiter, TimerTarget
{
  /** Called in `tryAccept`, once for each failure. */
  onHandshakeFailed: ((failure: FailedHandshake) => void) | null = null;
  admissionPolicy: AdmissionPolicy | null = null;
  /** Peers that disconnected before they sent anything. They are not failures. */
  disconnected = 0;
  readonly #raw: ListenerTransport;
  readonly #scheduler: Scheduler;
  readonly #evictionTimer = new Timer(this);
  #stage: HandshakeStage;
  #acceptBatch = Infinity;
  /** In the order in which they started: the first one is the oldest. */
  readonly #pending = new Set<PendingRecord>();
  /** Connections with a complete handshake that are not accepted yet. */
  readonly #completed: Transport[] = [];
  readonly #unreportedFailures: FailedHandshake[] = [];
  #completedCount = 0;
  #failedCount = 0;
  #timedOutCount = 0;
  #lastFailure: HandshakeFailure | undefined = undefined;
  #finishing = false;
  #rawClosed = false;
  #closed = false;

  constructor(raw: ListenerTransport, stage: HandshakeStage, scheduler: Scheduler) {
    super();
    this.#raw = raw;
    this.#stage = stage;
    this.#scheduler = scheduler;
    this.canRecv = true;
  }

  get local(): Endpoint {
    return this.#raw.local;
  }

  override describe(): string {
    return this.#raw.describe();
  }

  /** The number of connections that the program can take now. */
  get acceptBatch(): number {
    return this.#acceptBatch;
  }

  /** Wakes the accepting task if the capacity was exhausted before. */
  set acceptBatch(count: number) {
    const hadCapacity = this.#freeCapacity > 0;
    this.#acceptBatch = count;
    if (this.#raw instanceof HandshakingListener) this.#raw.acceptBatch = this.#freeCapacity;
    if (!hadCapacity && this.#freeCapacity > 0) this.notifyRecv();
  }

  tryListen(): boolean {
    return this.#raw.tryListen();
  }

  tryAccept(): Transport | undefined {
    if (this.#closed) throw this.#closedError();
    this.#acceptMore();
    for (const failure of this.#unreportedFailures.splice(0)) this.onHandshakeFailed?.(failure);
    const next = this.#completed.shift();
    this.#updateReadiness();
    if (next === undefined && this.finished) {
      this.close();
      throw this.#closedError();
    }
    return next;
  }

  /** Does nothing while a completed connection waits: connections leave the raw listener as late as
   *  possible (invariant 1). */
  #acceptMore(): void {
    const raw = this.#raw;
    try {
      for (let left = MAX_ACCEPTS_PER_CALL; left > 0; left--) {
        if (this.#completed.length > 0 || this.#freeCapacity <= 0) return;
        raw.acceptBatch = this.#freeCapacity;
        // `finish()` closes the raw listener next, so its queue is checked even without its flag.
        const mayAccept = raw.canRecv || this.#finishing;
        const connection = mayAccept ? raw.tryAccept() : undefined;
        if (connection === undefined) return this.#onRawEmpty();
        this.#startHandshake(connection);
      }
    } catch (error) {
      const rawIsClosed = (error as { code?: unknown }).code === 'ERR_CLOSED';
      if (!this.#finishing || !rawIsClosed) throw error;
      this.#onRawEmpty();
    }
  }

  #onRawEmpty(): void {
    if (this.#finishing && !(this.#raw instanceof HandshakingListener)) this.#closeRaw();
  }

  #startHandshake(raw: Transport): void {
    if (this.admissionPolicy?.admits(raw.remote) === false) return raw.reset();
    const handshake: PendingRecord = {
      raw,
      startedAt: this.#scheduler.now(),
      abort: undefined,
      complete: (transport) => this.#onEnded(handshake, transport),
      fail: (error) => this.#onEnded(handshake, error),
      disconnected: () => this.#onEnded(handshake, null),
    };
    this.#pending.add(handshake);
    const abort = this.#stage.start(handshake);
    if (this.#pending.has(handshake)) handshake.abort = abort;
  }

  /** The number of connections that may be taken from the raw listener now. */
  get #freeCapacity(): number {
    const limit = Math.max(1, Math.min(this.#stage.maxPending, this.#acceptBatch));
    return limit - this.#completed.length - this.#pending.size;
  }

  /** An accept may succeed now, or once the raw listener or a handshake notifies. */
  #updateReadiness(): void {
    if (this.#closed) return;
    const raw = this.#raw;
    const hasCapacity = this.#freeCapacity > 0;
    const mayAccept = hasCapacity && raw.canRecv && !this.#rawFinished;
    this.canRecv = this.#completed.length > 0 || mayAccept;
    if (!raw.canRecv) raw.recvWaiter = this;
    else if (!hasCapacity) this.#armEviction();
  }

  // ---- the waiter of the raw listener ----

  /** A connection waits in the raw listener, or it was closed. */
  notify(): void {
    if (this.#freeCapacity > 0 || this.#finishing) this.notifyRecv();
    else this.#armEviction();
  }

  /** The raw listener was closed. */
  reject(): void {
    if (this.#finishing) this.notifyRecv();
    else this.close();
  }

  shed(max: number): number {
    return this.#raw.shed?.(max) ?? 0;
  }

  get queued(): number | undefined {
    return this.#raw.queued;
  }

  get overflowed(): number | undefined {
    return this.#raw.overflowed;
  }

  // ---- eviction of slow handshakes (invariant 4) ----

  #armEviction(): void {
    const [oldest] = this.#pending;
    if (oldest === undefined) return;
    this.#scheduler.arm(this.#evictionTimer, oldest.startedAt + SLOW_HANDSHAKE_MS);
  }

  expire(): void {
    const [oldest] = this.#pending;
    if (oldest === undefined || this.#freeCapacity > 0) return;
    if (this.#scheduler.now() < oldest.startedAt + SLOW_HANDSHAKE_MS) return this.#armEviction();
    if (this.#hasWaitingConnections) this.#abort(oldest, SLOW_HANDSHAKE_MS);
    else this.#raw.recvWaiter = this;
  }

  /** A connection waits in the raw listener, as far as it reports them. `raw.canRecv` is not
   *  enough: it means only that an accept may succeed. */
  get #hasWaitingConnections(): boolean {
    const raw = this.#raw;
    const hasCompleted = raw instanceof HandshakingListener && raw.#completed.length > 0;
    return hasCompleted || raw.queued !== 0;
  }

  /** Aborts the handshakes that have taken `ms` milliseconds or more. */
  abortOlderThan(ms: number): void {
    const now = this.#scheduler.now();
    for (const handshake of this.#pending) {
      if (handshake.startedAt + ms <= now) this.#abort(handshake, ms);
    }
  }

  #abort(handshake: PendingRecord, ms: number): void {
    handshake.abort?.();
    const what = `the handshake with ${handshake.raw.describe()}`;
    this.#onEnded(handshake, new TimeoutError(ms, what));
  }

  // ---- handshakes ----

  /** Replaces the stage for connections that are accepted from now on. */
  replaceStage(make: () => HandshakeStage): void {
    if (this.#closed) throw this.#closedError();
    this.#stage = make();
    this.notifyRecv();
  }

  /** The outcome: a transport if it is complete, an error if it has failed, null if the peer has
   *  disconnected. */
  #onEnded(handshake: PendingRecord, outcome: Transport | HandshakeError | null): void {
    if (!this.#pending.delete(handshake)) return;
    const { raw } = handshake;
    if (outcome === null || outcome instanceof Error) {
      if (outcome === null) this.disconnected += 1;
      else this.#countFailure(raw, outcome);
      this.admissionPolicy?.released(raw.remote);
    } else {
      this.#completedCount += 1;
      this.#completed.push(outcome);
    }
    this.notifyRecv();
  }

  #countFailure(raw: Transport, error: HandshakeError): void {
    const { code = '', message } = error;
    this.#failedCount += 1;
    if (code === 'ERR_TIMEOUT') this.#timedOutCount += 1;
    this.#lastFailure = Object.freeze({ code, message, peer: raw.describe() });
    if (this.onHandshakeFailed !== null) {
      this.#unreportedFailures.push({ error, remote: raw.remote });
    }
  }

  stats(): HandshakeStats {
    return Object.freeze({
      pending: this.#pending.size,
      waiting: this.#completed.length,
      completed: this.#completedCount,
      failed: this.#failedCount,
      timedOut: this.#timedOutCount,
      lastFailure: this.#lastFailure,
    });
  }

  // ---- the end ----

  /** Accepts the connections that wait in the raw listener, then stops listening. Pending
   *  handshakes continue. Accepting fails with ERR_CLOSED after the last connection. */
  finish(): void {
    if (this.#closed || this.#finishing) return;
    this.#finishing = true;
    if (this.#raw instanceof HandshakingListener) this.#raw.finish();
    this.notifyRecv();
  }

  /** True: no further connection will be returned. */
  get finished(): boolean {
    if (this.#closed) return true;
    return this.#finishing && !this.hasHandshakes && this.#rawFinished;
  }

  get #rawFinished(): boolean {
    return this.#raw instanceof HandshakingListener ? this.#raw.finished : this.#rawClosed;
  }

  /** True: a handshake is pending, or a completed connection waits to be accepted. */
  get hasHandshakes(): boolean {
    return this.#pending.size > 0 || this.#completed.length > 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#scheduler.disarm(this.#evictionTimer);
    this.#closeRaw();
    for (const { abort } of this.#pending) abort?.();
    this.#pending.clear();
    for (const transport of this.#completed.splice(0)) transport.reset();
    this.rejectWaiters(this.#closedError());
  }

  #closeRaw(): void {
    this.#rawClosed = true;
    if (this.#raw.recvWaiter === this) this.#raw.recvWaiter = null;
    this.#raw.close();
  }

  #closedError(): ClosedError {
    return new ClosedError(
      'ERR_CLOSED',
      `The listener ${this.describe()} was closed by this program`,
    );
  }
}
