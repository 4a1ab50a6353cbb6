/**
 * The state of one open connection, and the checks of its time limits.
 *
 *   new ──byte──► idle or busy ──handler ended, or cut──► closing ──► removed
 *
 * Invariants:
 *  1. Nothing is written here when bytes move. A sweep (timeout-sweeper.ts) compares the counters
 *     of the socket with those of the previous sweep, so limits cost a message nothing.
 *  2. Recorded times are rounded up: a limit may take effect late by the time between two sweeps,
 *     and never early.
 *  3. `reason` is set when the connection starts to end.
 */
import { describeWait } from '../kernel/diagnostics.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import type { Socket } from '../net/tcp/socket.ts';
import type { Limits } from './options.ts';
import type { CloseReason, CloseRecord, CutConnection, LimitName } from './stats.ts';

/** No task waited to send at the last sweep. */
const NOT_STALLED = -1;

/** The message that is being received, for `minReceiveRate`. */
interface PartialMessage {
  /** Position of its first byte in the stream; it identifies the message. */
  readonly offset: number;
  readonly firstSeenAt: number;
}

export abstract class Connection {
  readonly socket: Socket;
  /** The neighbours in the list of open connections. */
  older: Connection | null = null;
  newer: Connection | null = null;
  /** The key under which the peer is counted; `undefined` if it is not. */
  readonly peerKey: string | undefined;
  /** The task that serves the connection. Set right after construction. */
  task: TaskImpl | null = null;
  /** Times are whole milliseconds, rounded up: small integers take no heap memory. */
  readonly openedAt: number;
  /** Why the connection ends; null while it does not. */
  reason: CloseReason | null = null;
  /** True: a limit has ended the connection, whatever its handler does. */
  limitExceeded = false;
  /** The counters of the socket at the last sweep, and since when they have not changed. */
  private received = 0;
  private sent = 0;
  private inactiveSince: number;
  /** Since when a task has been waiting to send without progress. */
  private stalledSince: number = NOT_STALLED;
  private partial: PartialMessage | null = null;

  constructor(socket: Socket, peerKey: string | undefined, now: number) {
    this.socket = socket;
    this.peerKey = peerKey;
    this.openedAt = Math.ceil(now);
    this.inactiveSince = this.openedAt;
  }

  /** For views of many tasks. */
  get kind(): string {
    return 'connection';
  }

  /** The peer, as the name of the task. */
  toString(): string {
    return this.socket.remoteAddress.toString();
  }

  /** The limit that the connection exceeds at `now`, if any. Called once per sweep. */
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
    // A sender that was woken and has not resumed yet is still stalled.
    if (hasSent || socket.sending === null) this.stalledSince = NOT_STALLED;
    if (limits.receiveRate > 0 && this.receivesTooSlowly(limits, now)) return 'minReceiveRate';
    return this.checkInactivity(limits, now);
  }

  private checkSendStall(limits: Limits, now: number, hasSent: boolean): LimitName | null {
    // The idle time starts when the wait to send ends.
    this.inactiveSince = Math.ceil(now);
    if (hasSent || this.stalledSince === NOT_STALLED) this.stalledSince = this.inactiveSince;
    if (now - this.stalledSince >= limits.sendStallMs) return 'sendStallTimeoutMs';
    // Linux reports a socket as writable when a third of its buffer is free
    // (sk_stream_is_writeable; not in tcp(7)), which may take minutes with a slow peer. It accepts
    // bytes earlier, so an attempt to send shows whether the peer takes any.
    this.socket.transport.notifySend();
    return null;
  }

  /**
   * Whether the message that is being received has grown too slowly since it was first seen. It
   * counts that a read is pending, not that it waits: a reader that is woken for every byte may not
   * be waiting at the moment of a sweep.
   */
  private receivesTooSlowly({ receiveRate, receiveGraceMs }: Limits, now: number): boolean {
    const { socket } = this;
    const { unread } = socket;
    if (unread === 0 || socket.receiving === null) {
      this.partial = null;
      return false;
    }
    const offset = socket.bytesReceived - unread;
    if (this.partial?.offset !== offset) this.partial = { offset, firstSeenAt: Math.ceil(now) };
    const ageMs = now - this.partial.firstSeenAt;
    return ageMs >= receiveGraceMs && unread * 1000 < receiveRate * ageMs;
  }

  private checkInactivity(limits: Limits, now: number): LimitName | null {
    const inactiveMs = now - this.inactiveSince;
    if (this.received === 0 && inactiveMs >= limits.firstByteMs) return 'firstByteTimeoutMs';
    return inactiveMs >= limits.idleMs ? 'idleTimeoutMs' : null;
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

  /** For the drain report. Also valid right after the task was cancelled, before it resumes. */
  cutRecord(now: number): CutConnection {
    const { task, state } = this;
    const isWaiting = task !== null && (task.state === 'waiting' || task.resume === 'cancel');
    const waitingOn = isWaiting ? describeWait(task.wait) : '';
    const durationMs = this.age(now);
    return Object.freeze({ peer: this.socket.remoteAddress, state, waitingOn, durationMs });
  }

  closeRecord(reason: CloseReason, now: number): CloseRecord {
    const { remoteAddress: peer, bytesReceived, bytesSent } = this.socket;
    const durationMs = this.age(now);
    return Object.freeze({ peer, reason, bytesReceived, bytesSent, durationMs });
  }

  private age(now: number): number {
    return Math.max(0, now - this.openedAt);
  }
}
