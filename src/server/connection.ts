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
import { describeWait } from '../kernel/diagnostics.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import type { Socket } from '../net/tcp/socket.ts';
import type { Limits } from './options.ts';
import type { CloseCause, CloseRecord, CutConnection, LimitName } from './stats.ts';

/** No wait for room to send was seen at the last look. */
const NOT_STALLED = -1;

/** The message that is coming in, for `minReceiveRate`. */
interface PartialMessage {
  /** Where in the stream it begins: another place is another message. */
  readonly offset: number;
  /** When it was first seen. */
  readonly since: number;
}

export class Connection {
  readonly socket: Socket;
  /** Under which its peer is counted, if peers are. */
  readonly peerKey: string | undefined;
  /** Set right after it was made: the task needs the record, and the record the task. */
  task: TaskImpl | null = null;
  /** Points in time are whole milliseconds, rounded up: they take no memory of their own. */
  readonly openedAt: number;
  /** Why the connection ends; null: it does not. */
  reason: CloseCause | null = null;
  /** True: it was a limit, so the handler has no say in it any more. */
  limitExceeded = false;
  /** The counters at the last look, and since when they have been standing still. */
  private received = 0;
  private sent = 0;
  private inactiveSince: number;
  /** Since when a task waits for room to send without getting any. */
  private stalledSince: number = NOT_STALLED;
  private partial: PartialMessage | null = null;

  constructor(socket: Socket, peerKey: string | undefined, now: number) {
    this.socket = socket;
    this.peerKey = peerKey;
    this.openedAt = Math.ceil(now);
    this.inactiveSince = this.openedAt;
  }

  /** The limit that the connection has passed at `now`, if any. */
  exceededLimit(limits: Limits, now: number): LimitName | null {
    if (this.reason !== null) return null;
    if (now - this.openedAt >= limits.lifetimeMs) return 'maxLifetimeMs';
    const { socket } = this;
    if (socket.closed) return null;
    const { bytesReceived, bytesSent } = socket;
    const hasSent = bytesSent !== this.sent;
    if (hasSent || bytesReceived !== this.received) this.inactiveSince = Math.ceil(now);
    this.received = bytesReceived;
    this.sent = bytesSent;
    if (socket.transport.sendWaiter !== null) return this.checkSendStall(limits, now, hasSent);
    // A sender that has just been woken has not tried yet: for it the time goes on.
    if (hasSent || socket.sending === null) this.stalledSince = NOT_STALLED;
    if (limits.receiveRate > 0 && this.receivesTooSlowly(limits, now)) return 'minReceiveRate';
    return this.checkInactivity(limits, now);
  }

  private checkSendStall(limits: Limits, now: number, hasSent: boolean): LimitName | null {
    // Idleness begins when nobody waits for room any more.
    this.inactiveSince = Math.ceil(now);
    if (hasSent || this.stalledSince === NOT_STALLED) this.stalledSince = this.inactiveSince;
    if (now - this.stalledSince >= limits.sendStallMs) return 'sendStallTimeoutMs';
    // The system calls a socket writable when a third of its buffer is free (tcp(7) is silent;
    // sk_stream_is_writeable), which a slow peer may reach after minutes. It takes bytes before, so
    // the sender tries again: that shows whether the peer takes any.
    this.socket.transport.notifySend();
    return null;
  }

  /**
   * A message is in the making, and has grown too slowly since it was first seen. The read counts,
   * not its waiting: one that is woken for every byte often does not wait at the moment of a look.
   */
  private receivesTooSlowly({ receiveRate, receiveGraceMs }: Limits, now: number): boolean {
    const { socket } = this;
    const { unread } = socket;
    if (unread === 0 || socket.receiving === null) {
      this.partial = null;
      return false;
    }
    const at = socket.bytesReceived - unread;
    if (this.partial?.offset !== at) this.partial = { offset: at, since: Math.ceil(now) };
    const ageMs = now - this.partial.since;
    return ageMs >= receiveGraceMs && unread * 1000 < receiveRate * ageMs;
  }

  private checkInactivity(limits: Limits, now: number): LimitName | null {
    const quietMs = now - this.inactiveSince;
    const isNew = this.received === 0;
    if (isNew && quietMs >= limits.firstByteMs) return 'firstByteTimeoutMs';
    return quietMs >= limits.idleMs ? 'idleTimeoutMs' : null;
  }

  /** Ends the handler because of a limit. */
  cut(limit: LimitName): void {
    this.reason = limit;
    this.limitExceeded = true;
    this.task?.cancel(limit);
  }

  get state(): CutConnection['state'] {
    if (this.reason !== null) return 'closing';
    const { socket } = this;
    if (socket.responseDue || socket.sending !== null) return 'busy';
    return socket.bytesReceived === 0 ? 'new' : 'idle';
  }

  /** For the report of a drain; also right after the task was cancelled, before its next step. */
  cutRecord(now: number): CutConnection {
    const { task, state } = this;
    const waited = task !== null && (task.state === 'waiting' || task.resume === 'cancel');
    const waitingOn = waited ? describeWait(task.wait) : '';
    const durationMs = this.age(now);
    return Object.freeze({ peer: this.socket.remoteAddress, state, waitingOn, durationMs });
  }

  closeRecord(reason: CloseCause, now: number): CloseRecord {
    const { remoteAddress: peer, bytesReceived, bytesSent } = this.socket;
    const durationMs = this.age(now);
    return Object.freeze({ peer, reason, bytesReceived, bytesSent, durationMs });
  }

  private age(now: number): number {
    return Math.max(0, now - this.openedAt);
  }
}
