/**
 * A transport whose peer is the test: the test provides the chunks that are received and the space
 * for bytes that are sent. For tests of the layer net without a network.
 */
import { ClosedError } from '../../../src/kernel/errors.ts';
import { Readiness } from '../../../src/kernel/readiness.ts';
import type { Endpoint, Transport } from '../../../src/world/network.ts';

export class ScriptedTransport extends Readiness implements Transport {
  readonly local: Endpoint = { host: '127.0.0.1', port: 1, family: 4 };
  readonly remote: Endpoint = { host: '127.0.0.1', port: 2, family: 4 };
  /** True: the last chunk clears `canRecv`, as a short read does. False: the next attempt does. */
  clearsEarly = false;
  /** The number of attempts to receive that returned bytes. */
  receives = 0;
  /** The bytes of each send. Copies, because the caller may reuse its memory. */
  readonly sends: Buffer[] = [];
  /** The number of chunks of each vectored send. */
  readonly offered: number[] = [];
  /** The free space of the send buffer, in bytes. */
  room: number = Infinity;
  #chunks: Buffer[] = [];
  #next = 0;
  #end: 'open' | 'ended' | Error = 'open';
  #sendError: Error | null = null;

  constructor() {
    super();
    this.canSend = true;
  }

  override describe(): string {
    return '127.0.0.1:2';
  }

  // ---- the peer ----

  /** Adds a chunk, which one receive returns. */
  feed(bytes: Uint8Array | string): void {
    if (bytes.length === 0) return;
    this.#chunks.push(typeof bytes === 'string' ? Buffer.from(bytes) : toBuffer(bytes));
    this.notifyRecv();
  }

  /** Ends the received stream, with end of file or with an error. */
  finish(error?: Error): void {
    this.#end = error ?? 'ended';
    this.notifyRecv();
  }

  /** Adds `bytes` to the free space of the send buffer. */
  admit(bytes: number): void {
    this.room += bytes;
    this.notifySend();
  }

  failSends(error: Error): void {
    this.#sendError = error;
    this.notifySend();
  }

  get sentText(): string {
    return Buffer.concat(this.sends).toString();
  }

  // ---- the contract ----

  tryConnect(): boolean {
    return true;
  }

  tryRecv(max: number): Buffer | undefined {
    const chunk = this.#chunks[this.#next];
    if (chunk === undefined) return this.#atEnd() ? Buffer.alloc(0) : undefined;
    this.receives++;
    if (chunk.length <= max) {
      this.#chunks[this.#next++] = Buffer.alloc(0);
      if (this.clearsEarly && this.#chunks.length === this.#next && this.#end === 'open') {
        this.canRecv = false;
      }
      return chunk;
    }
    this.#chunks[this.#next] = chunk.subarray(max);
    return chunk.subarray(0, max);
  }

  tryRecvInto(into: Uint8Array): number {
    const chunk = this.tryRecv(into.length);
    if (chunk === undefined) return -1;
    into.set(chunk);
    return chunk.length;
  }

  trySend(data: Uint8Array): number {
    if (this.#sendError !== null) throw this.#sendError;
    const count = Math.min(data.length, this.room);
    this.room -= count;
    if (count < data.length) this.canSend = false;
    if (count > 0) this.sends.push(Buffer.from(data.subarray(0, count)));
    return count;
  }

  trySendv(chunks: readonly Uint8Array[]): number {
    this.offered.push(chunks.length);
    return this.trySend(Buffer.concat(chunks.slice(0, 64)));
  }

  shutdown(): void {}

  getOption(): undefined {}
  setOption(): void {}

  close(): void {
    const error = new ClosedError('ERR_CLOSED', 'closed');
    this.#chunks = [];
    this.#next = 0;
    this.#end = error;
    this.#sendError = error;
    this.rejectWaiters(error);
  }

  reset(): void {
    this.close();
  }

  #atEnd(): boolean {
    if (this.#end instanceof Error) throw this.#end;
    if (this.#end === 'open') this.canRecv = false;
    return this.#end === 'ended';
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
