/**
 * A connection on the simulated network, seen from one of its ends.
 *
 *   connecting ──► open ──► ended (recv only: end of file, or shutdown('recv'))
 *       │           │ └───► shut (send only: shutdown('send'))
 *       │           └─────► failed (sticky: every attempt throws the same error)
 *       └─► failed          closed (from every state; every attempt throws ERR_CLOSED)
 *
 * Errors behave as on Linux. A reset or time-out is reported after the bytes that arrived before
 * it, to the first recv or send, and to recv in any case; a later send throws EPIPE. After an end
 * of file, recv reports no error.
 *
 * Invariants:
 *  1. The flag of a direction is set in every state except connecting and open: a waiting task is
 *     resumed, and its next attempt returns or throws.
 *  2. A closed transport notifies no task. Bytes that arrive then are answered with a reset.
 */
import type { Transport } from '../../world/network.ts';
import type { ErrorCode } from './errors.ts';
import { systemError } from './errors.ts';
import { injectFault } from './faults.ts';
import type { Connection } from './stream/connection.ts';
import { ReceiveBuffer } from './stream/receive-buffer.ts';
import { SimSocket } from './stream/socket.ts';

const END_OF_FILE: Buffer = Buffer.alloc(0);

/** The maximum number of chunks of one send, as on every network. */
const MAX_CHUNKS = 64;

type DirectionState = 'connecting' | 'open' | 'ended' | 'shut' | 'failed' | 'closed';

export class SimTransport extends SimSocket implements Transport {
  readonly #receiveBuffer = new ReceiveBuffer();
  #recvState: DirectionState = 'connecting';
  #sendState: DirectionState = 'connecting';
  #recvError: unknown = undefined;
  #sendError: unknown = undefined;
  /** The end of file has arrived, after the bytes in the receive buffer. */
  #atEnd = false;
  /** The error that has ended the connection, and whether an attempt has thrown it. */
  #failure: ErrorCode | null = null;
  #failureReported = false;
  /** shutdown('recv') was called: bytes that arrive are dropped. */
  #discarding = false;
  /** Called when the transport is closed while it connects. */
  onAbandoned: (() => void) | null = null;
  /** Called when a segment arrives from the peer. */
  onSegment: (() => void) | null = null;

  get closed(): boolean {
    return this.#sendState === 'closed';
  }

  // ---- connecting ----

  /** The connection is established. */
  established(connection: Connection): void {
    this.connection = connection;
    if (this.#recvState === 'connecting') this.#recvState = 'open';
    if (this.#sendState === 'connecting') this.#sendState = 'open';
    if (this.#discarding) connection.incoming.receiverShutdown();
    this.lastReceivedAt = this.owner.core.now;
    if (this.options.get('keepAlive') !== 0) this.updateKeepAlive();
    this.spuriousWakeUps.mayWake('recv');
    this.notifySend();
  }

  /** Connecting has failed: both directions fail with the same error. */
  failConnect(code: ErrorCode): void {
    if (this.#sendState === 'closed') return;
    const error = systemError(code, 'connect', this.remote);
    this.#recvState = 'failed';
    this.#sendState = 'failed';
    this.#recvError = error;
    this.#sendError = error;
    this.notifyRecv();
    this.notifySend();
  }

  tryConnect(): boolean {
    if (this.#sendState === 'closed') throw this.closedError();
    if (this.connection !== null) return true;
    if (this.#sendState === 'failed') throw this.#sendError;
    this.canSend = false;
    this.spuriousWakeUps.mayWake('send');
    return false;
  }

  // ---- receive ----

  tryRecv(max: number): Buffer | undefined {
    const available = this.#readable();
    if (available <= 0) return available === 0 ? END_OF_FILE : undefined;
    const length = this.shorten('shortReads', Math.min(max, available));
    const bytes = this.#receiveBuffer.take(length);
    this.#bytesConsumed(bytes.length);
    return bytes;
  }

  tryRecvInto(into: Uint8Array): number {
    const available = this.#readable();
    if (available <= 0) return available;
    const length = this.shorten('shortReads', Math.min(into.length, available));
    const count = this.#receiveBuffer.takeInto(into, length);
    this.#bytesConsumed(count);
    return count;
  }

  /** The number of bytes that can be received; 0: end of file; -1: would block. */
  #readable(): number {
    if (this.#recvState !== 'open' && !this.#checkRecvState()) {
      return this.#recvState === 'ended' ? 0 : -1;
    }
    if (this.#receiveBuffer.length > 0) return this.#receiveBuffer.length;
    if (this.#atEnd) {
      this.#recvState = 'ended';
      return 0;
    }
    if (this.#failure !== null) {
      this.#recvState = 'failed';
      this.#recvError = systemError(this.#failure, 'read');
      this.#failureReported = true;
      throw this.#recvError;
    }
    this.#markEmpty();
    return -1;
  }

  #bytesConsumed(count: number): void {
    this.spuriousWakeUps.reset();
    const isEmpty = this.#receiveBuffer.length === 0;
    if (isEmpty && !this.#atEnd && this.#failure === null) this.#markEmpty();
    this.connection?.incoming.bytesRead(count);
  }

  #markEmpty(): void {
    this.canRecv = false;
    this.spuriousWakeUps.mayWake('recv');
  }

  /** True: the direction is open now. False: ended, or still connecting. */
  #checkRecvState(): boolean {
    if (this.#recvState === 'connecting') return this.tryConnect();
    if (this.#recvState === 'failed') throw this.#recvError;
    if (this.#recvState === 'closed') throw this.closedError();
    return false;
  }

  // ---- send ----

  trySend(data: Uint8Array): number {
    if (this.#sendState !== 'open' && !this.#checkSendState()) return 0;
    const space = this.#spaceFor(data.length);
    if (space === 0) return this.#markFull(0);
    const bytes = Buffer.from(space === data.length ? data : data.subarray(0, space));
    return this.#send(bytes, data.length);
  }

  trySendv(chunks: readonly Uint8Array[]): number {
    if (this.#sendState !== 'open' && !this.#checkSendState()) return 0;
    const sent = chunks.length > MAX_CHUNKS ? chunks.slice(0, MAX_CHUNKS) : chunks;
    let offered = 0;
    for (const chunk of sent) offered += chunk.length;
    const space = this.#spaceFor(offered);
    if (space === 0) return this.#markFull(0);
    return this.#send(Buffer.concat(sent, space), offered);
  }

  /** How many of `offered` bytes can be sent now. Throws if the connection has ended. */
  #spaceFor(offered: number): number {
    const { outgoing, links } = this.connection as Connection;
    if (this.#failure !== null || outgoing.broken) throw this.#failSend();
    const { core, host } = this.owner;
    if (links !== undefined && injectFault(core, 'resets', host)) this.#injectReset();
    const space = Math.max(0, outgoing.space());
    return space === 0 ? 0 : this.shorten('shortWrites', Math.min(offered, space));
  }

  #send(bytes: Buffer, offered: number): number {
    const { outgoing } = this.connection as Connection;
    outgoing.write(bytes);
    this.spuriousWakeUps.reset();
    if (bytes.length < offered && outgoing.space() <= 0) this.#markFull(bytes.length);
    return bytes.length;
  }

  /** The send buffer is full. */
  #markFull(count: number): number {
    this.canSend = false;
    (this.connection as Connection).outgoing.waitForSpace();
    this.spuriousWakeUps.mayWake('send');
    return count;
  }

  #failSend(): unknown {
    const code =
      this.#failure === null || this.#failureReported || this.#atEnd ? 'EPIPE' : this.#failure;
    this.#failureReported = true;
    this.#sendState = 'failed';
    this.#sendError = systemError(code, 'write');
    this.canSend = true;
    return this.#sendError;
  }

  /** True: the direction is open now. False: still connecting. */
  #checkSendState(): boolean {
    if (this.#sendState === 'connecting') return this.tryConnect();
    if (this.#sendState === 'shut') {
      throw this.#failure === null ? systemError('EPIPE', 'write') : this.#failSend();
    }
    throw this.#sendState === 'failed' ? this.#sendError : this.closedError();
  }

  /** Resets both ends, as a middlebox between them may do. */
  #injectReset(): never {
    (this.connection as Connection).outgoing.reset();
    this.receiveReset();
    throw this.#failSend();
  }

  // ---- notifications of the streams

  /** True while the program waits for space in the send buffer. */
  get waitsForSpace(): boolean {
    return !this.canSend && this.#sendState === 'open';
  }

  /** Bytes have arrived. Returns false if the transport cannot take them. */
  receiveBytes(bytes: Buffer): boolean {
    this.onSegment?.();
    this.lastReceivedAt = this.owner.core.now;
    if (this.#recvState === 'closed' || this.#failure !== null) {
      // RFC 9293, 3.10.7: bytes for a connection that does not exist are answered with a reset.
      this.connection?.outgoing.reset();
      return false;
    }
    if (this.#discarding) {
      this.connection?.incoming.bytesRead(bytes.length);
      return true;
    }
    this.#receiveBuffer.push(bytes);
    this.notifyRecv();
    return true;
  }

  /** The end of file has arrived. */
  receiveFin(): void {
    this.onSegment?.();
    if (this.#recvState === 'closed' || this.#failure !== null) return;
    this.#atEnd = true;
    this.notifyRecv();
  }

  /** The send buffer has space again. */
  spaceAvailable(): void {
    if (this.#sendState !== 'closed') this.notifySend();
  }

  /** The peer has not acknowledged within the time limit. */
  timeOut(): void {
    this.#failWith('ETIMEDOUT');
  }

  /** The peer has reset the connection, or an injected fault has. */
  receiveReset(): void {
    this.#failWith('ECONNRESET');
  }

  #failWith(code: ErrorCode): void {
    this.connection?.outgoing.abandon();
    if (this.#sendState === 'closed' || this.#failure !== null) return;
    this.#failure = code;
    this.terminated = true;
    this.stopKeepAlive();
    this.notifyRecv();
    this.notifySend();
  }

  // ---- ending ----

  shutdown(how: 'send' | 'recv' | 'both'): void {
    if (this.#sendState === 'closed') return;
    if (how !== 'recv') this.#shutdownSend();
    if (how !== 'send') this.#shutdownRecv();
  }

  #shutdownSend(): void {
    if (this.#sendState !== 'open') return;
    if (this.#failure === null) this.connection?.outgoing.finish();
    this.#sendState = 'shut';
    this.notifySend();
  }

  #shutdownRecv(): void {
    this.#discarding = true;
    const unread = this.#receiveBuffer.length;
    this.#receiveBuffer.clear();
    if (this.#recvState !== 'failed') this.#recvState = 'ended';
    this.connection?.incoming.bytesRead(unread);
    this.connection?.incoming.receiverShutdown();
    this.notifyRecv();
  }

  close(): void {
    this.#closeConnection(false);
  }

  /** A Unix socket is reset only if it has unread bytes. */
  reset(): void {
    this.#closeConnection(this.connection?.links !== undefined);
  }

  /** Closes a connection that was never accepted: the peer is reset, on a Unix socket as well. */
  abort(): void {
    this.#closeConnection(true);
  }

  /** Linux resets a connection that is closed with unread bytes; unsent bytes are lost then. */
  #closeConnection(isAbort: boolean): void {
    if (this.#sendState === 'closed') return;
    const connection = this.#failure === null ? this.connection : null;
    const resets = isAbort || this.#receiveBuffer.length > 0;
    const finishes = this.#sendState === 'open';
    this.#release();
    this.terminated ||= resets;
    if (resets) connection?.outgoing.reset();
    else if (finishes) connection?.outgoing.finish();
    connection?.incoming.receiverShutdown();
  }

  #release(): void {
    this.destroy();
    this.onAbandoned?.();
    this.owner.forget(this);
    this.canRecv = true;
    this.canSend = true;
    if (this.recvWaiter === null && this.sendWaiter === null) return;
    this.rejectWaiters(this.closedError());
  }

  /** Closes without a notification of the peer: after a crash, or when retransmissions time out. */
  destroy(): void {
    this.#recvState = 'closed';
    this.#sendState = 'closed';
    this.#receiveBuffer.clear();
    this.stopKeepAlive();
  }

  /** The host has crashed. No task waits any more; the system resets the peer. */
  crash(): void {
    this.recvWaiter = null;
    this.sendWaiter = null;
    this.destroy();
    this.terminated = true;
    this.onAbandoned?.();
    if (this.#failure === null) this.connection?.outgoing.reset();
  }
}
