/**
 * The encrypted side of a TLS connection: the raw transport as a Duplex for node:tls.
 *
 * The transport is read only when node:tls requests bytes. Bytes that node:tls writes are sent in
 * the same call, as far as the transport takes them. If an attempt would block, the stream is the
 * waiter of the transport, as a task would be. A notification is handled in the next tick and not
 * inside the event loop of the network.
 *
 * Invariants:
 *  1. The end of the raw transport is reported to the owner, never to node:tls. So an end that
 *     node:tls reports is a close_notify of the peer, and a truncated connection is not mistaken
 *     for it (RFC 8446, section 6.1).
 *  2. The end is reported after node:tls has received every byte before it. The high-water mark of
 *     the readable side is 0, so `_read` is called only when nothing is buffered here.
 *  3. A failed send is reported to the owner and counts as written. An error of a stream would end
 *     both directions, but there may still be bytes to receive from the peer.
 */
import { Duplex } from 'node:stream';
import type { ReadinessWaiter } from '../../kernel/readiness.ts';
import type { Transport } from '../../world/network.ts';
import { nextTick, setImmediate } from '../timers.ts';

/** Four TLS records, so that one call into the TLS engine has enough work. */
const MAX_READ = 65_536;

/** Consecutive reads before a turn of the event loop: a fast peer must not block it. */
const MAX_CONSECUTIVE_READS = 16;

/** Receives the events that are hidden from node:tls. Its methods must not throw. */
export interface CipherOwner {
  /** The raw transport has no more input. `cause` is its error, or `undefined` at end of file. */
  rawEnded(cause: unknown): void;
  /** The raw transport accepts no more output. */
  rawSendFailed(error: unknown): void;
  /** The raw transport has taken the last byte of node:tls. */
  flushed(): void;
}

type Callback = (error?: Error | null) => void;

export class CipherStream extends Duplex {
  readonly #raw: Transport;
  owner: CipherOwner | null = null;
  /** The number of writes of node:tls. */
  writes = 0;
  /** node:tls has requested bytes and not received them. */
  #readRequested = false;
  #consecutiveReads = 0;
  /** The bytes that the transport has not taken yet. */
  #unsent: Uint8Array[] = [];
  /** Called when the transport has taken them. */
  #writeCallback: Callback | null = null;
  readonly #readWaiter: ReadinessWaiter = {
    notify: () => nextTick(this.#pull),
    reject: (error) => nextTick(() => this.#reportEnd(error)),
  };
  readonly #writeWaiter: ReadinessWaiter = {
    notify: () => nextTick(this.#flush),
    reject: (error) => nextTick(() => this.#failWrite(error)),
  };

  constructor(raw: Transport) {
    super({ readableHighWaterMark: 0, allowHalfOpen: true });
    this.#raw = raw;
  }

  /** The number of bytes that the transport has not taken yet. */
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
    if (chunk.length === 0) return this.#reportEnd(undefined);
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
    const pieces = writes.map(({ chunk }) => chunk);
    this.#send(pieces, callback);
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
    const callback = this.#writeCallback;
    this.#writeCallback = null;
    callback?.();
  }

  /** Attempts again to send the unsent bytes. */
  flushNow(): void {
    if (this.#unsent.length > 0) this.#flush();
  }

  /** node:tls has written close_notify: ends the output of the transport. */
  override _final(callback: Callback): void {
    this.#raw.shutdown('send');
    callback();
    this.owner?.flushed();
  }

  /** The owner closes the transport. */
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
