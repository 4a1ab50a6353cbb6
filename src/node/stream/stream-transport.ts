/**
 * A transport over a stream: a socket of node:net or node:tls, any Duplex, a pair of web streams.
 * This file has the part of the contract (world/network.ts) that does not depend on the kind of
 * stream.
 *
 *   StreamTransport          reads its stream when a receive finds the queue empty
 *     └─ FlowingTransport    its stream emits 'data' and is paused while the queue is full
 *
 *   connecting ──► connected ──► ended or failed, each direction by itself
 *       └──► failed              (close() and reset() lead from every state to closed)
 *
 * Invariants:
 *  1. Received bytes come before the end of file, and before an error.
 *  2. An error is kept: every later attempt in its direction throws it.
 *  3. A flowing stream is read ahead of the program by at most READ_AHEAD and the chunk in flight.
 *  4. The memory of a sent buffer belongs to the caller again when the send returns.
 */
import { constants } from 'node:os';
import type { Duplex } from 'node:stream';
import { ClosedError, unsupported } from '../../kernel/errors.ts';
import { Readiness } from '../../kernel/readiness.ts';
import type { SystemError } from '../../support/system-error.ts';
import type { Endpoint, SocketOption, Transport } from '../../world/network.ts';
import { systemError } from '../system-error.ts';
import { ReceiveQueue } from './receive-queue.ts';

/** Creates the error that an attempt throws. Lazy, since most connections end without such an
 *  attempt. */
export type Failure = () => unknown;

const EMPTY: Buffer = Buffer.alloc(0);

/** The contract considers at most this many pieces in one vectored send. */
const MAX_PIECES = 64;

export abstract class StreamTransport extends Readiness implements Transport {
  abstract readonly local: Endpoint;
  abstract remote: Endpoint;
  protected readonly received: ReceiveQueue = new ReceiveQueue();
  protected connected = false;
  /** End of file from the peer, or by shutdown('recv'). */
  protected recvEnded = false;
  /** The error of every later receive, once the queue is empty. */
  protected recvFailure: Failure | null = null;
  /** The error of every later send. */
  protected sendFailure: Failure | null = null;
  protected closed = false;

  // ---- operations of the stream ----

  /** Called when an attempt finds the queue empty: queues the bytes that the stream has now. If
   *  there are none, `becameReadable` is called later. */
  protected abstract fetch(): void;

  /** How many bytes the stream accepts now, of `wanted`. 0 or less: none, and `becameWritable`
   *  is called later. */
  protected abstract writableBytes(wanted: number): number;

  /** Writes `piece`, which is not longer than `writableBytes` has returned. If it is not `owned`,
   *  its memory belongs to the caller again when the call returns. */
  protected abstract write(piece: Uint8Array, owned: boolean): void;

  /** Discards the present and all later input. */
  protected abstract discardInput(): void;

  /** Ends the output after the bytes written so far. */
  protected abstract endOutput(): void;

  /** Closes the stream after the bytes written so far. */
  protected abstract finish(): void;

  /** Closes the stream at once. */
  protected abstract abort(): void;

  /** The value that an option was set to; `undefined`: none, or the stream does not have it. */
  protected readOption(_option: SocketOption): number | undefined {
    return undefined;
  }

  /** Sets an option. False: the stream does not have it. */
  protected changeOption(_option: SocketOption, _value: number): boolean {
    return false;
  }

  /** The queue has become empty. */
  protected queueEmptied(): void {}

  /** Receiving has failed: queues the bytes that the stream still holds. */
  protected rescueInput(): void {}

  /** A receive may succeed. */
  protected becameReadable(): void {
    this.notifyRecv();
  }

  /** A send may succeed. */
  protected becameWritable(): void {
    this.notifySend();
  }

  /** Memory for a vectored send, which `write` then gets as its own. */
  protected allocate(length: number): Buffer {
    return Buffer.allocUnsafe(length);
  }

  // ---- the contract of a transport ----

  tryConnect(): boolean {
    if (this.connected && !this.closed) return true;
    if (this.recvFailure !== null) throw this.recvFailure();
    this.canSend = false;
    return false;
  }

  tryRecv(max: number): Buffer | undefined {
    if (this.#isDrained()) return this.#atEnd() ? EMPTY : undefined;
    const chunk = this.received.take(max);
    if (this.received.empty) this.queueEmptied();
    return chunk;
  }

  tryRecvInto(into: Uint8Array): number {
    if (this.#isDrained()) return this.#atEnd() ? 0 : -1;
    const length = this.received.takeInto(into);
    if (this.received.empty) this.queueEmptied();
    return length;
  }

  unreceive(bytes: Buffer): void {
    this.received.unshift(bytes);
    this.canRecv = true;
  }

  trySend(data: Uint8Array): number {
    const length = this.sendableBytes(data.length);
    if (length === 0) return 0;
    this.write(length === data.length ? data : data.subarray(0, length), false);
    if (this.sendFailure !== null) throw this.sendFailure();
    return length;
  }

  /** One write for all pieces, copied one after another. */
  trySendv(chunks: readonly Uint8Array[]): number {
    const pieces = chunks.length > MAX_PIECES ? chunks.slice(0, MAX_PIECES) : chunks;
    const length = this.sendableBytes(pieces.reduce((sum, piece) => sum + piece.length, 0));
    if (length === 0) return 0;
    const gathered = this.allocate(length);
    gather(pieces, gathered);
    this.write(gathered, true);
    if (this.sendFailure !== null) throw this.sendFailure();
    return length;
  }

  shutdown(how: 'send' | 'recv' | 'both'): void {
    if (this.closed) return;
    if (how !== 'send') {
      this.received.clear();
      this.discardInput();
      this.inputEnded();
    }
    if (how !== 'recv' && this.sendFailure === null) {
      this.sendFailure = brokenPipe;
      this.endOutput();
      this.becameWritable();
    }
  }

  getOption(option: SocketOption): number | undefined {
    return this.closed ? undefined : this.readOption(option);
  }

  setOption(option: SocketOption, value: number): void {
    if (this.closed) throw this.#closedError();
    if (this.changeOption(option, value)) return;
    throw unsupported(this.describe(), `set \`${option}\``, 'Set it where the stream comes from.');
  }

  close(): void {
    if (this.#markClosed()) this.finish();
  }

  reset(): void {
    if (this.#markClosed()) this.abort();
  }

  // ---- events of the stream ----

  /** End of file: the stream has delivered all of its input. */
  protected inputEnded(): void {
    if (this.closed) return;
    this.recvEnded = true;
    this.becameReadable();
  }

  /** Both directions have failed, or one: null stands for the other. The first failure counts. */
  protected failed(recvFailure: Failure | null, sendFailure: Failure | null = recvFailure): void {
    if (this.closed) return;
    if (recvFailure !== null) this.rescueInput();
    this.recvFailure ??= recvFailure;
    this.sendFailure ??= sendFailure;
    if (recvFailure !== null) this.becameReadable();
    if (sendFailure !== null) this.becameWritable();
  }

  // ---- helpers ----

  /** How many of `wanted` bytes may be written now. 0: none, and `canSend` is cleared. */
  protected sendableBytes(wanted: number): number {
    if (this.sendFailure !== null) throw this.sendFailure();
    if (wanted === 0) return 0;
    const length = Math.min(this.writableBytes(wanted), wanted);
    if (length > 0) return length;
    this.canSend = false;
    return 0;
  }

  /** True if the queue is empty and the stream has nothing to put into it. */
  #isDrained(): boolean {
    if (this.received.empty && !this.recvEnded && !this.closed) this.fetch();
    return this.received.empty;
  }

  /** True at end of file, false if more may come. */
  #atEnd(): boolean {
    if (this.recvEnded) return true;
    if (this.recvFailure !== null) throw this.recvFailure();
    this.canRecv = false;
    return false;
  }

  #markClosed(): boolean {
    if (this.closed) return false;
    this.closed = true;
    this.received.clear();
    this.recvEnded = false;
    const failure = (): ClosedError => this.#closedError();
    this.recvFailure = this.sendFailure = failure;
    this.canRecv = this.canSend = true;
    // Without a waiter, no error is created: its stack trace would cost more than the close.
    if (this.recvWaiter ?? this.sendWaiter) this.rejectWaiters(failure());
    return true;
  }

  #closedError(): ClosedError {
    return new ClosedError(
      'ERR_CLOSED',
      `The connection with ${this.describe()} was closed by this program`,
    );
  }
}

/** A transport over a socket of Node in flowing mode. A subclass attaches `onData`. */
export abstract class FlowingTransport<S extends Duplex> extends StreamTransport {
  protected readonly socket: S;
  /** The socket was paused because the queue is full. */
  protected paused = false;

  constructor(socket: S) {
    super();
    this.socket = socket;
  }

  onData(chunk: Buffer): void {
    if (this.recvEnded || this.closed) return;
    if (!this.received.push(chunk) && !this.paused) {
      this.paused = true;
      this.socket.pause();
    }
    this.becameReadable();
  }

  protected resumeInput(): void {
    if (!this.paused) return;
    this.paused = false;
    this.socket.resume();
  }

  protected override fetch(): void {}

  /** If the end of the input is known, `canRecv` stays set: the next attempt reports the end. */
  protected override queueEmptied(): void {
    if (!this.recvEnded && this.recvFailure === null) this.canRecv = false;
    this.resumeInput();
  }

  protected override discardInput(): void {
    this.resumeInput();
  }

  protected override endOutput(): void {
    this.socket.end();
  }

  /** Queues the bytes that a paused socket still holds: they are lost when Node destroys it. */
  protected override rescueInput(): void {
    const { socket } = this;
    if (socket.readableLength === 0 || this.recvEnded) return;
    socket.removeAllListeners('data');
    const chunk: Buffer | null = socket.read();
    if (chunk !== null) this.received.push(chunk);
  }
}

/** Fills `into` with the bytes of `pieces`, one after another. They have enough bytes. */
function gather(pieces: readonly Uint8Array[], into: Uint8Array): void {
  let at = 0;
  for (const piece of pieces) {
    const space = into.length - at;
    if (space === 0) return;
    into.set(piece.length <= space ? piece : piece.subarray(0, space), at);
    at += Math.min(piece.length, space);
  }
}

/** The error of a connection that ends without an end of file. */
export function connectionReset(syscall = 'read', peer?: Endpoint): SystemError {
  return systemError(-constants.errno.ECONNRESET, syscall, peer);
}

/** The error of a send that no peer can receive. */
export function brokenPipe(): SystemError {
  return systemError(-constants.errno.EPIPE, 'write');
}
