/**
 * The encrypted side of a TLS connection: a transport of ours as the Duplex that node:tls wants.
 *
 * It pulls: node:tls asks for bytes, and only then the transport is tried; what node:tls writes
 * goes to the transport in the same call, as far as that takes it. Where a try would block, the
 * stream stands in the transport's waiting place, as a task would. A notice is answered in the next
 * tick, not inside the network's own loop.
 *
 * Invariants:
 *  1. The end of the connection below is told to the owner, never to node:tls: what node:tls calls
 *     the end is then a close_notify of the peer, and a cut-off connection cannot pass for one
 *     (RFC 8446, section 6.1).
 *  2. The owner is told of the end after node:tls was given every byte before it. The mark of the
 *     readable side is 0, so `_read` is called only when nothing is buffered here.
 *  3. A send that fails is told to the owner and counts as written: an error of a stream would end
 *     both directions, and the peer's last words may still be there to be received.
 */
import { Duplex } from 'node:stream';
import type { ReadinessWaiter } from '../../kernel/readiness.ts';
import type { Transport } from '../../world/network.ts';

/** Four records of TLS: enough for one call into the engine to be worth it. */
const MAX_READ = 65_536;

/** So many reads in a row, then the event loop has its turn: a fast peer must not keep it. */
const MAX_CONSECUTIVE_READS = 16;

/** Who hears of what node:tls is not told. Called from the stream's own calls: must not throw. */
export interface CipherOwner {
  /** The connection below gives no more bytes: end of file, or why. */
  rawEnded(cause: unknown): void;
  /** The connection below takes no more bytes. */
  rawSendFailed(error: unknown): void;
  /** node:tls has written its last byte, and the connection below has taken it. */
  flushed(): void;
}

type Callback = (error?: Error | null) => void;

/** The cause of an end that is an end of file. */
export const END_OF_FILE: undefined = undefined;

export class CipherStream extends Duplex {
  readonly #raw: Transport;
  owner: CipherOwner | null = null;
  /** How often node:tls has written something. */
  writes = 0;
  /** node:tls has asked for bytes and has not got them. */
  #readRequested = false;
  #consecutiveReads = 0;
  /** What the transport has not taken yet. */
  #unsent: Uint8Array[] = [];
  /** To be called when it has. */
  #writeCallback: Callback | null = null;
  readonly #readWaiter: ReadinessWaiter = {
    notify: () => process.nextTick(this.#pull),
    reject: (error) => process.nextTick(() => this.#reportEnd(error)),
  };
  readonly #writeWaiter: ReadinessWaiter = {
    notify: () => process.nextTick(this.#flush),
    reject: (error) => process.nextTick(() => this.#failWrite(error)),
  };

  constructor(raw: Transport) {
    super({ readableHighWaterMark: 0, allowHalfOpen: true });
    this.#raw = raw;
  }

  /** Bytes that the transport has not taken. */
  get unsent(): number {
    return this.#unsent.reduce((sum, { length }) => sum + length, 0);
  }

  override _read(): void {
    this.#readRequested = true;
    if (this.#consecutiveReads++ < MAX_CONSECUTIVE_READS) return this.#pull();
    this.#consecutiveReads = 0;
    setImmediate(this.#pull);
  }

  readonly #pull = (): void => {
    if (!this.#readRequested || this.destroyed) return;
    let chunk: Buffer | undefined;
    try {
      chunk = this.#raw.canRecv ? this.#raw.tryRecv(MAX_READ) : undefined;
    } catch (error) {
      return this.#reportEnd(error);
    }
    if (chunk === undefined) {
      this.#consecutiveReads = 0;
      this.#raw.recvWaiter = this.#readWaiter;
      return;
    }
    if (chunk.length === 0) return this.#reportEnd(END_OF_FILE);
    this.#readRequested = false;
    this.push(chunk);
  };

  #reportEnd(cause: unknown): void {
    if (!this.#readRequested) return;
    this.#readRequested = false;
    this.owner?.rawEnded(cause);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#send([chunk], callback);
  }

  override _writev(writes: { readonly chunk: Buffer }[], callback: Callback): void {
    this.#send(
      writes.map(({ chunk }) => chunk),
      callback,
    );
  }

  #send(pieces: readonly Buffer[], callback: Callback): void {
    this.#unsent = pieces.filter(({ length }) => length > 0);
    this.#writeCallback = callback;
    this.writes += 1;
    this.#flush();
  }

  readonly #flush = (): void => {
    try {
      while (this.#unsent.length > 0) {
        const count = this.#raw.trySendv(this.#unsent);
        if (count === 0) return this.#waitForSpace();
        this.#unsent = withoutFirst(this.#unsent, count);
      }
    } catch (error) {
      return this.#failWrite(error);
    }
    this.#completeWrite();
  };

  #waitForSpace(): void {
    if (!this.destroyed) this.#raw.sendWaiter = this.#writeWaiter;
  }

  #failWrite(error: unknown): void {
    this.#unsent = [];
    this.owner?.rawSendFailed(error);
    this.#completeWrite();
  }

  #completeWrite(): void {
    const sent = this.#writeCallback;
    this.#writeCallback = null;
    sent?.();
  }

  /** One more try for what the transport has not taken. */
  flushNow(): void {
    if (this.#unsent.length > 0) this.#flush();
  }

  /** After the last byte: node:tls has said close_notify, now comes the end of file. */
  override _final(callback: Callback): void {
    this.#raw.shutdown('send');
    callback();
    this.owner?.flushed();
  }

  /** The transport is its owner's to close. */
  override _destroy(_error: Error | null, callback: Callback): void {
    const raw = this.#raw;
    if (raw.recvWaiter === this.#readWaiter) raw.recvWaiter = null;
    if (raw.sendWaiter === this.#writeWaiter) raw.sendWaiter = null;
    this.#readRequested = false;
    this.#unsent = [];
    this.#writeCallback = null;
    callback(null);
  }
}

/** `pieces` without their first `count` bytes. */
function withoutFirst(pieces: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  let whole = 0;
  for (const { length } of pieces) {
    if (length > left) break;
    left -= length;
    whole += 1;
  }
  const rest = pieces.slice(whole);
  if (left > 0) rest[0] = (rest[0] as Uint8Array).subarray(left);
  return rest;
}
