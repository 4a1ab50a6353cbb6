/**
 * What the transports have in common that are built on a stream of somebody else's, instead of on a
 * connection of a network of ours.
 *
 * Invariants:
 *  1. Received bytes come before the end of file and before an error.
 *  2. An error is kept, and thrown by every later try in its direction.
 *  3. What is sent is copied: the stream keeps it, and the caller may change it at once.
 */
import { constants } from 'node:os';
import { ClosedError, unsupported } from '../../kernel/errors.ts';
import { Readiness } from '../../kernel/readiness.ts';
import { SystemError } from '../../support/system-error.ts';
import type { Endpoint, SocketOption, Transport } from '../../world/network.ts';

const EMPTY: Buffer = Buffer.alloc(0);
/** The contract looks at no more pieces than this in one vectored send. */
const MAX_SEND_PIECES = 64;
/** The end of a stream that has no address. */
const NO_ADDRESS: Endpoint = { path: '' };

export abstract class StreamTransport extends Readiness implements Transport {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  protected recvEnded = false;
  protected closed = false;
  #recvError: unknown = null;
  #sendError: unknown = null;

  constructor(local: Endpoint = NO_ADDRESS, remote: Endpoint = NO_ADDRESS) {
    super();
    this.local = local;
    this.remote = remote;
    // A stream tells of changes only, so the first try has to look.
    this.canRecv = true;
    this.canSend = true;
  }

  // ---- what the stream has to do ----

  /** The next 1..max bytes; `undefined`: none is here now, and a notice will follow. */
  protected abstract read(max: number): Buffer | undefined;

  /** How many bytes the stream takes now. 0: none, and a notice will follow. */
  protected abstract writableBytes(): number;

  /** Hands `piece` over, which is ours. */
  protected abstract write(piece: Buffer): void;

  /** Input that is here or that comes is dropped. */
  protected abstract discardInput(): void;

  /** Nothing more is written. */
  protected abstract endOutput(): void;

  /** Delivers what was written, then closes the stream. */
  protected abstract finish(): void;

  /** Closes the stream, whatever was written. */
  protected abstract abort(): void;

  /** What an option was set to; `undefined`: it was not, or there is no such thing. */
  protected readOption(_option: SocketOption): number | undefined {
    return undefined;
  }

  /** Sets an option of what is below the stream. False: there is no such thing. */
  protected changeOption(_option: SocketOption, _value: number): boolean {
    return false;
  }

  // ---- the contract of a transport ----

  tryConnect(): boolean {
    if (this.closed) throw this.#sendError;
    return true;
  }

  tryRecv(max: number): Buffer | undefined {
    const chunk = this.recvEnded || this.closed ? undefined : this.read(max);
    if (chunk !== undefined) return chunk;
    if (this.recvEnded) return EMPTY;
    if (this.#recvError !== null) throw this.#recvError;
    this.canRecv = false;
    return undefined;
  }

  tryRecvInto(into: Uint8Array): number {
    const chunk = this.tryRecv(into.length);
    if (chunk === undefined) return -1;
    into.set(chunk);
    return chunk.length;
  }

  trySend(data: Uint8Array): number {
    return this.#send([data], data.length);
  }

  trySendv(chunks: readonly Uint8Array[]): number {
    const pieces = chunks.slice(0, MAX_SEND_PIECES);
    return this.#send(
      pieces,
      pieces.reduce((sum, { length }) => sum + length, 0),
    );
  }

  shutdown(how: 'send' | 'recv' | 'both'): void {
    if (this.closed) return;
    if (how !== 'send') {
      this.discardInput();
      this.ended();
    }
    if (how !== 'recv' && this.#sendError === null) {
      this.#sendError = brokenPipe();
      this.endOutput();
      this.notifySend();
    }
  }

  getOption(option: SocketOption): number | undefined {
    return this.closed ? undefined : this.readOption(option);
  }

  setOption(option: SocketOption, value: number): void {
    if (this.closed) throw this.#sendError;
    if (this.changeOption(option, value)) return;
    throw unsupported(this.describe(), `set \`${option}\``, 'Set it where the stream comes from.');
  }

  close(): void {
    if (this.#markClosed()) this.finish();
  }

  reset(): void {
    if (this.#markClosed()) this.abort();
  }

  // ---- notices of the stream ----

  /** The input has come to its end, and all of it was taken. */
  protected ended(): void {
    this.recvEnded = true;
    this.notifyRecv();
  }

  /** The stream has failed, or is gone: then `error` counts where the direction had not ended. */
  protected failed(recvError: unknown, sendError: unknown = recvError): void {
    if (this.closed) return;
    this.#recvError ??= recvError;
    this.#sendError ??= sendError;
    this.notifyRecv();
    this.notifySend();
  }

  // ---- the inside ----

  #send(pieces: readonly Uint8Array[], total: number): number {
    if (this.#sendError !== null) throw this.#sendError;
    if (total === 0) return 0;
    const length = Math.min(this.writableBytes(), total);
    if (length === 0) {
      this.canSend = false;
      return 0;
    }
    this.write(Buffer.concat(pieces, length));
    return length;
  }

  #markClosed(): boolean {
    if (this.closed) return false;
    this.closed = true;
    this.recvEnded = false;
    const error = new ClosedError('ERR_CLOSED', `${this.describe()} was closed here`);
    this.#recvError = error;
    this.#sendError = error;
    this.rejectWaiters(error);
    return true;
  }
}

/** The stream is gone, without an end of file. */
export function connectionReset(): SystemError {
  return new SystemError('ECONNRESET', -constants.errno.ECONNRESET, 'read');
}

/** Nobody takes what is sent. */
export function brokenPipe(): SystemError {
  return new SystemError('EPIPE', -constants.errno.EPIPE, 'write');
}
