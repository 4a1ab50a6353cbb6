/**
 * What a server knows of one open connection.
 *
 *   new ──byte──► idle or busy ──handler is through, or cut──► closing ──► (gone)
 *
 * Invariants:
 *  1. Nothing is written here when bytes move. A look, every so often, compares the counters of the
 *     socket with what they were at the look before (watch.ts), so limits cost a message nothing.
 *  2. A point in time that is noted is not before the moment it stands for: a limit may act late by
 *     the time between two looks, and never early.
 *  3. `cause` is set once the end has begun, and says why.
 */
import { describeWait } from '../kernel/report.ts';
import type { TaskRecord } from '../kernel/task.ts';
import type { Socket } from '../net/socket.ts';
import type { Limits } from './options.ts';
import type { CloseCause, CloseRecord, CutConnection, LimitName } from './reports.ts';

/** No wait for room to send was seen at the last look. */
const NOT_WAITING = -1;

/** The message that is coming in, for `minReceiveRate`. */
interface Partial {
  /** Where in the stream it begins: another place is another message. */
  readonly at: number;
  /** When it was first seen. */
  readonly since: number;
}

export class ConnectionRecord {
  readonly socket: Socket;
  /** Under which its peer is counted, if peers are. */
  readonly peerKey: string | undefined;
  /** Set right after it was made: the task needs the record, and the record the task. */
  task: TaskRecord | null = null;
  /** Points in time are whole milliseconds, rounded up: they take no memory of their own. */
  readonly began: number;
  /** Why the connection ends; null: it does not. */
  cause: CloseCause | null = null;
  /** True: it was a limit, so the handler has no say in it any more. */
  passedLimit = false;
  /** The counters at the last look, and since when they have been standing still. */
  private received = 0;
  private sent = 0;
  private quietSince: number;
  /** Since when a task waits for room to send without getting any. */
  private stuckSince: number = NOT_WAITING;
  private partial: Partial | null = null;

  constructor(socket: Socket, peerKey: string | undefined, now: number) {
    this.socket = socket;
    this.peerKey = peerKey;
    this.began = Math.ceil(now);
    this.quietSince = this.began;
  }

  /** The limit that the connection has passed at `now`, if any. */
  overdue(limits: Limits, now: number): LimitName | null {
    if (this.cause !== null) return null;
    if (now - this.began >= limits.lifetimeMs) return 'maxLifetimeMs';
    const { socket } = this;
    if (socket.closed) return null;
    const { bytesReceived, bytesSent } = socket;
    const hasSent = bytesSent !== this.sent;
    if (hasSent || bytesReceived !== this.received) this.quietSince = Math.ceil(now);
    this.received = bytesReceived;
    this.sent = bytesSent;
    if (socket.transport.sendWaiter !== null) return this.stalled(limits, now, hasSent);
    // A sender that has just been woken has not tried yet: for it the time goes on.
    if (hasSent || socket.sending === null) this.stuckSince = NOT_WAITING;
    if (limits.receiveRate > 0 && this.isSlow(limits, now)) return 'minReceiveRate';
    return this.silent(limits, now);
  }

  private stalled(limits: Limits, now: number, hasSent: boolean): LimitName | null {
    // Idleness begins when nobody waits for room any more.
    this.quietSince = Math.ceil(now);
    if (hasSent || this.stuckSince === NOT_WAITING) this.stuckSince = this.quietSince;
    if (now - this.stuckSince >= limits.sendStallMs) return 'sendStallTimeoutMs';
    // The system calls a socket writable when a third of its buffer is free (tcp(7) is silent;
    // sk_stream_is_writeable), which a slow peer may reach after minutes. It takes bytes before, so
    // the sender tries again: that shows whether the peer takes any.
    this.socket.transport.grantSend();
    return null;
  }

  /**
   * A message is in the making, and has grown too slowly since it was first seen. The read counts,
   * not its waiting: one that is woken for every byte often does not wait at the moment of a look.
   */
  private isSlow({ receiveRate, receiveGraceMs }: Limits, now: number): boolean {
    const { socket } = this;
    const { unread } = socket;
    if (unread === 0 || socket.receiving === null) {
      this.partial = null;
      return false;
    }
    const at = socket.bytesReceived - unread;
    if (this.partial?.at !== at) this.partial = { at, since: Math.ceil(now) };
    const ageMs = now - this.partial.since;
    return ageMs >= receiveGraceMs && unread * 1000 < receiveRate * ageMs;
  }

  private silent(limits: Limits, now: number): LimitName | null {
    const quietMs = now - this.quietSince;
    const isNew = this.received === 0;
    if (isNew && quietMs >= limits.firstByteMs) return 'firstByteTimeoutMs';
    return quietMs >= limits.idleMs ? 'idleTimeoutMs' : null;
  }

  /** Ends the handler because of a limit. */
  cut(limit: LimitName): void {
    this.cause = limit;
    this.passedLimit = true;
    this.task?.cancel(limit);
  }

  get state(): CutConnection['state'] {
    if (this.cause !== null) return 'closing';
    const { socket } = this;
    if (socket.answerDue || socket.sending !== null) return 'busy';
    return socket.bytesReceived === 0 ? 'new' : 'idle';
  }

  /** For the report of a drain; also right after the task was cancelled, before its next step. */
  left(now: number): CutConnection {
    const { task, state } = this;
    const waited = task !== null && (task.state === 'waiting' || task.resume === 'refuse');
    const waitingOn = waited ? describeWait(task.wait) : '';
    const ms = this.age(now);
    return Object.freeze({ peer: this.socket.remoteAddress, state, waitingOn, ms });
  }

  ended(why: CloseCause, now: number): CloseRecord {
    const { remoteAddress: peer, bytesReceived, bytesSent } = this.socket;
    return Object.freeze({ peer, why, bytesReceived, bytesSent, ms: this.age(now) });
  }

  private age(now: number): number {
    return Math.max(0, now - this.began);
  }
}
