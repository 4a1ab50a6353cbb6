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
import { ClosedError, TimeoutError } from '../kernel/errors.ts';
import type { ReadinessWaiter } from '../kernel/readiness.ts';
import { Readiness } from '../kernel/readiness.ts';
import type { Scheduler } from '../kernel/scheduler.ts';
import type { TimerTarget } from '../kernel/timers.ts';
import { Timer } from '../kernel/timers.ts';
import type { Gate, HandshakeFailure, HandshakeStats, Passage } from '../world/gate.ts';
import type { Endpoint, ListenerTransport, Transport } from '../world/network.ts';

/** Why a connection did not come through, and from whom it came. */
export interface GateFailure {
  readonly error: Error & { readonly code?: string };
  readonly remote: Endpoint;
}

/** Who decides whether a peer may come to the gate at all. */
export interface Doorkeeper {
  /** False: the connection is reset. */
  admits(remote: Endpoint): boolean;
  /** One that was admitted has not come through. */
  dismissed(remote: Endpoint): void;
}

/** A handshake takes two round trips; a slow one, over a satellite, a second and a half. */
const PATIENCE_MS = 2000;

/** Connections that one accept takes at most: a gate may refuse all of them at once. */
const MOST_AT_ONCE = 64;

export class GatedListener
  extends Readiness
  implements ListenerTransport, ReadinessWaiter, TimerTarget
{
  /** Hears of failures, in `tryAccept`. */
  onFailed: ((failure: GateFailure) => void) | null = null;
  doorkeeper: Doorkeeper | null = null;
  /** Those who have gone before they wanted anything: they are no failures. */
  gone = 0;
  readonly #raw: ListenerTransport;
  readonly #scheduler: Scheduler;
  /** For those who have to give way. */
  readonly #timer = new Timer(this);
  #gate: Gate;
  #ahead = Infinity;
  readonly #underWay = new Set<Way>();
  /** Through, not handed out yet. */
  readonly #ready: Transport[] = [];
  /** Of which nobody has heard yet. */
  readonly #failures: GateFailure[] = [];
  #completed = 0;
  #failed = 0;
  #timedOut = 0;
  #lastFailure: HandshakeFailure | undefined = undefined;
  /** Whoever waits below is let in, and nobody else; what is under way goes on. */
  #finishing = false;
  #rawClosed = false;
  #closed = false;

  constructor(raw: ListenerTransport, gate: Gate, scheduler: Scheduler) {
    super();
    this.#raw = raw;
    this.#gate = gate;
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
  get ahead(): number {
    return this.#ahead;
  }

  /** Whoever waits to accept hears of it where there was no room before, here or below. */
  set ahead(count: number) {
    const hadRoom = this.#room > 0;
    this.#ahead = count;
    if (this.#raw instanceof GatedListener) this.#raw.ahead = this.#room;
    if (!hadRoom && this.#room > 0) this.grantRecv();
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
      for (let left = MOST_AT_ONCE; left > 0; left--) {
        if (this.#ready.length > 0 || this.#room <= 0) return;
        raw.ahead = this.#room;
        // Before the door is closed the system is asked, whatever it has told so far.
        const isWorthIt = raw.canRecv || this.#finishing;
        const connection = isWorthIt ? raw.tryAccept() : undefined;
        if (connection === undefined) return this.#belowIsEmpty();
        this.#begin(connection);
      }
    } catch (error) {
      const isOver = this.#finishing && (error as { code?: unknown }).code === 'ERR_CLOSED';
      if (!isOver) throw error;
      this.#belowIsEmpty();
    }
  }

  #belowIsEmpty(): void {
    if (this.#finishing && !(this.#raw instanceof GatedListener)) this.#closeRaw();
  }

  #begin(raw: Transport): void {
    if (this.doorkeeper?.admits(raw.remote) === false) return raw.reset();
    const way = new Way(raw, this, this.#scheduler.now());
    this.#underWay.add(way);
    const giveUp = this.#gate.begin(way);
    if (this.#underWay.has(way)) way.giveUp = giveUp;
  }

  /** Connections that may be taken from the raw listener now. */
  get #room(): number {
    const most = Math.max(1, Math.min(this.#gate.most, this.#ahead));
    return most - this.#ready.length - this.#underWay.size;
  }

  /** Another accept is worth a try now, or when something comes in below, or leaves the gate. */
  #lookOut(): void {
    if (this.#closed) return;
    const raw = this.#raw;
    const hasRoom = this.#room > 0;
    this.canRecv = this.#ready.length > 0 || (hasRoom && raw.canRecv && !this.#belowIsOver);
    if (!raw.canRecv) raw.recvWaiter = this;
    else if (!hasRoom) this.#hurry();
  }

  /** Somebody has come in below, or the listener there was closed: an accept is worth a try. */
  grant(): void {
    if (this.#room > 0 || this.#finishing) this.grantRecv();
    else this.#hurry();
  }

  /** Others wait for a place: the slowest has so much time left. */
  #hurry(): void {
    const [oldest] = this.#underWay;
    if (oldest !== undefined) this.#scheduler.arm(this.#timer, oldest.began + PATIENCE_MS);
  }

  expire(): void {
    const [oldest] = this.#underWay;
    if (oldest === undefined || this.#room > 0) return;
    if (this.#scheduler.now() < oldest.began + PATIENCE_MS) return this.#hurry();
    if (this.#isAwaited) this.#giveUp(oldest, PATIENCE_MS);
    else this.#raw.recvWaiter = this;
  }

  /** Somebody waits below, or may: a flag there says only that an accept is worth a try. */
  get #isAwaited(): boolean {
    const raw = this.#raw;
    const isThrough = raw instanceof GatedListener && raw.#ready.length > 0;
    return isThrough || raw.queued !== 0;
  }

  /** Gives up those who have been under way for so long. */
  giveUpAfter(ms: number): void {
    const now = this.#scheduler.now();
    for (const way of this.#underWay) if (way.began + ms <= now) this.#giveUp(way, ms);
  }

  #giveUp(way: Way, ms: number): void {
    way.giveUp?.();
    this.failed(way, new TimeoutError(ms, `${way.raw.describe()} to come in`));
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
    if (transport === null) {
      this.doorkeeper?.dismissed(way.raw.remote);
    } else {
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

  wentAway(way: Way): void {
    if (this.#underWay.has(way)) this.gone += 1;
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

  /** Lets in whoever waits below, and stops listening then. What is under way goes on; after the
   *  last, accepting gives ERR_CLOSED. */
  finish(): void {
    if (this.#closed || this.#finishing) return;
    this.#finishing = true;
    if (this.#raw instanceof GatedListener) this.#raw.finish();
    this.grantRecv();
  }

  /** True: nobody will be handed out any more. */
  get through(): boolean {
    if (this.#closed) return true;
    return this.#finishing && !this.busy && this.#belowIsOver;
  }

  /** Nobody will come in below any more. */
  get #belowIsOver(): boolean {
    return this.#raw instanceof GatedListener ? this.#raw.through : this.#rawClosed;
  }

  /** True: somebody is under way, or has come through and waits to be accepted. */
  get busy(): boolean {
    return this.#underWay.size > 0 || this.#ready.length > 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#scheduler.disarm(this.#timer);
    this.#closeRaw();
    for (const { giveUp } of this.#underWay) giveUp?.();
    this.#underWay.clear();
    for (const transport of this.#ready.splice(0)) transport.reset();
    this.refuseWaiters(this.#closedError());
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
class Way implements Passage {
  readonly raw: Transport;
  readonly began: number;
  /** Absent while the gate begins. */
  giveUp: (() => void) | undefined = undefined;
  readonly #listener: GatedListener;

  constructor(raw: Transport, listener: GatedListener, began: number) {
    this.raw = raw;
    this.began = began;
    this.#listener = listener;
  }

  passed(transport: Transport): void {
    this.#listener.left(this, transport);
  }

  failed(error: Error & { readonly code?: string }): void {
    this.#listener.failed(this, error);
  }

  gone(): void {
    this.#listener.wentAway(this);
  }
}
