/**
 * A connection on the simulated network: one end of two flows.
 *
 *   connecting ──► open ──► ended (recv only: end of file, or shutdown('recv'))
 *       │           │ └───► shut (send only: shutdown('send'))
 *       │           └─────► failed (sticky: every try throws the same error)
 *       └─► failed          closed (from every state; every try throws ERR_CLOSED)
 *
 * As on Linux, an error that comes from outside (a reset, a time-out) stands behind the bytes that
 * came before it, is told to whichever of recv and send asks first, and to recv in any case; a send
 * that asks later gets EPIPE. Behind an end of file available is no error for recv.
 *
 * Invariants:
 *  1. A gate that is shut (except connecting) has its flag set: a task that waits is resumed and
 *     its try tells.
 *  2. Once closed, nothing is granted any more. What arrives then is answered with a reset.
 */
import type { Transport } from '../../world/network.ts';
import type { ErrorCode } from './errors.ts';
import { systemError } from './errors.ts';
import { injectFault } from './faults.ts';
import type { Connection, ConnectionEndpoint } from './stream/connection.ts';
import { joined, ReceiveBuffer } from './stream/receive-buffer.ts';
import { SimSocket } from './stream/socket.ts';

const END_OF_FILE: Buffer = Buffer.alloc(0);

/** How many pieces one send looks at, as on every network. */
const MAX_CHUNKS = 64;

type DirectionState = 'connecting' | 'open' | 'ended' | 'shut' | 'failed' | 'closed';

export class SimTransport extends SimSocket implements Transport, ConnectionEndpoint {
  readonly #receiveBuffer = new ReceiveBuffer();
  #recvState: DirectionState = 'connecting';
  #sendState: DirectionState = 'connecting';
  #recvError: unknown = undefined;
  #sendError: unknown = undefined;
  /** The end of file has arrived, behind what is in the inbox. */
  #atEnd = false;
  /** What has ended the connection from outside, and whether somebody was told. */
  #failure: ErrorCode | null = null;
  #failureReported = false;
  /** shutdown('recv') was called: what arrives is dropped. */
  #discarding = false;
  /** Gives up what is under way before the connection stands. */
  onAbandoned: (() => void) | null = null;
  /** Something has come from the peer. */
  onSegment: (() => void) | null = null;

  protected get isClosed(): boolean {
    return this.#sendState === 'closed';
  }

  // ---------------------------------------------------------------------------------- connecting

  /** The connection stands. */
  established(connection: Connection): void {
    this.connection = connection;
    if (this.#recvState === 'connecting') this.#recvState = 'open';
    if (this.#sendState === 'connecting') this.#sendState = 'open';
    if (this.#discarding) connection.incoming.receiverShutdown();
    this.lastReceivedAt = this.owner.core.now;
    if (this.options.get('keepAlive') !== 0) this.updateKeepAlive();
    this.mayWakeSpuriously('recv');
    this.notifySend();
  }

  /** The attempt has failed: both directions fail, and with the same error. */
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
    this.mayWakeSpuriously('send');
    return false;
  }

  // ------------------------------------------------------------------------------------- receive

  tryRecv(max: number): Buffer | undefined {
    if (this.#recvState !== 'open' && !this.#checkRecvState()) {
      return this.#recvState === 'ended' ? END_OF_FILE : undefined;
    }
    const available = this.#receiveBuffer.length;
    if (available === 0) return this.#recvFromEmpty() ? END_OF_FILE : undefined;
    const most = Math.min(max, available);
    return this.#consume(this.#receiveBuffer.take(this.shorten('shortReads', most)));
  }

  tryRecvInto(into: Uint8Array): number {
    if (this.#recvState !== 'open' && !this.#checkRecvState()) {
      return this.#recvState === 'ended' ? 0 : -1;
    }
    const available = this.#receiveBuffer.length;
    if (available === 0) return this.#recvFromEmpty() ? 0 : -1;
    const most = this.shorten('shortReads', Math.min(into.length, available));
    const count = this.#receiveBuffer.takeInto(
      most === into.length ? into : into.subarray(0, most),
    );
    this.#bytesConsumed(count);
    return count;
  }

  #consume(bytes: Buffer): Buffer {
    this.#bytesConsumed(bytes.length);
    return bytes;
  }

  #bytesConsumed(count: number): void {
    this.resetSpuriousWakeUps();
    if (this.#receiveBuffer.length === 0 && !this.#atEnd && this.#failure === null)
      this.#markEmpty();
    this.connection?.incoming.bytesRead(count);
  }

  /** True: the end of file. False: would block. */
  #recvFromEmpty(): boolean {
    if (this.#atEnd) {
      this.#recvState = 'ended';
      return true;
    }
    if (this.#failure !== null) {
      this.#recvState = 'failed';
      this.#recvError = systemError(this.#failure, 'read');
      this.#failureReported = true;
      throw this.#recvError;
    }
    this.#markEmpty();
    return false;
  }

  #markEmpty(): void {
    this.canRecv = false;
    this.mayWakeSpuriously('recv');
  }

  /** True: the gate is open after all. False: ended, or still connecting. */
  #checkRecvState(): boolean {
    if (this.#recvState === 'connecting') return this.tryConnect();
    if (this.#recvState === 'failed') throw this.#recvError;
    if (this.#recvState === 'closed') throw this.closedError();
    return false;
  }

  // ---------------------------------------------------------------------------------------- send

  trySend(data: Uint8Array): number {
    if (this.#sendState !== 'open' && !this.#checkSendState()) return 0;
    const room = this.#roomFor(data.length);
    if (room === 0) return this.#markFull(0);
    const bytes = Buffer.from(room === data.length ? data : data.subarray(0, room));
    return this.#send(bytes, data.length);
  }

  trySendv(chunks: readonly Uint8Array[]): number {
    if (this.#sendState !== 'open' && !this.#checkSendState()) return 0;
    const looked = chunks.length > MAX_CHUNKS ? chunks.slice(0, MAX_CHUNKS) : chunks;
    let offered = 0;
    for (const chunk of looked) offered += chunk.length;
    const room = this.#roomFor(offered);
    if (room === 0) return this.#markFull(0);
    return this.#send(joined(looked, room), offered);
  }

  /** How many of `offered` bytes can be sent now. Throws if the connection has ended. */
  #roomFor(offered: number): number {
    const { outgoing, isUnix } = this.connection as Connection;
    if (this.#failure !== null || outgoing.broken) throw this.#failSend();
    const { core, host } = this.owner;
    if (!isUnix && injectFault(core, 'resets', host)) this.#injectReset();
    const room = Math.max(0, outgoing.room());
    return room === 0 ? 0 : this.shorten('shortWrites', Math.min(offered, room));
  }

  #send(bytes: Buffer, offered: number): number {
    (this.connection as Connection).outgoing.write(bytes);
    this.resetSpuriousWakeUps();
    if (bytes.length === offered) return offered;
    if (this.#roomLeft() === 0) this.#markFull(bytes.length);
    return bytes.length;
  }

  #roomLeft(): number {
    return Math.max(0, (this.connection as Connection).outgoing.room());
  }

  /** The buffer of the system is full. */
  #markFull(count: number): number {
    this.canSend = false;
    (this.connection as Connection).outgoing.waitForRoom();
    this.mayWakeSpuriously('send');
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

  /** True: the gate is open after all. False: still connecting. */
  #checkSendState(): boolean {
    if (this.#sendState === 'connecting') return this.tryConnect();
    if (this.#sendState === 'shut') throw this.#failure === null ? brokenPipe() : this.#failSend();
    throw this.#sendState === 'failed' ? this.#sendError : this.closedError();
  }

  /** Somebody between the two has broken the connection: both ends hear of it. */
  #injectReset(): never {
    (this.connection as Connection).reset();
    this.receiveReset();
    throw this.#failSend();
  }

  // ---- notifications of the streams (StreamEndpoint)

  get waitsForRoom(): boolean {
    return !this.canSend && this.#sendState === 'open';
  }

  receiveBytes(bytes: Buffer): boolean {
    this.onSegment?.();
    this.lastReceivedAt = this.owner.core.now;
    if (this.#recvState === 'closed' || this.#failure !== null) {
      // RFC 9293, 3.10.7: to bytes for a connection that is no more the answer is a reset.
      this.connection?.reset();
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

  receiveFin(): void {
    this.onSegment?.();
    if (this.#recvState === 'closed' || this.#failure !== null) return;
    this.#atEnd = true;
    this.notifyRecv();
  }

  roomAvailable(): void {
    if (this.#sendState !== 'closed') this.notifySend();
  }

  timeOut(): void {
    this.#failWith('ETIMEDOUT');
  }

  /** The other end, or somebody between, has reset the connection. */
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

  // -------------------------------------------------------------------------------------- ending

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

  /** A Unix socket has no resets, but for input that is unread. */
  reset(): void {
    this.#closeConnection(this.connection?.isUnix !== true);
  }

  /** Nobody has accepted it, or ever will: the peer is told so, on a Unix socket, too. */
  abort(): void {
    this.#closeConnection(true);
  }

  /** With unread input the system resets, as Linux does; what was not sent is lost then. */
  #closeConnection(hard: boolean): void {
    if (this.#sendState === 'closed') return;
    const connection = this.#failure === null ? this.connection : null;
    const resets = hard || this.#receiveBuffer.length > 0;
    const finishes = this.#sendState === 'open';
    this.#release();
    this.terminated ||= resets;
    if (resets) connection?.reset();
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

  /** Closed, and nobody is told: the host has crashed, or its system has given up on it. */
  destroy(): void {
    this.#recvState = 'closed';
    this.#sendState = 'closed';
    this.#receiveBuffer.clear();
    this.stopKeepAlive();
  }

  /** The host has crashed: nobody waits any more, and the peer is told by the system. */
  crash(): void {
    this.recvWaiter = null;
    this.sendWaiter = null;
    this.destroy();
    this.terminated = true;
    this.onAbandoned?.();
    if (this.#failure === null) this.connection?.reset();
  }
}

function brokenPipe(): unknown {
  return systemError('EPIPE', 'write');
}
