/**
 * A transport whose peer is the test: what it feeds is received chunk by chunk, and sends take what
 * it makes room for. For tests of the net room without a network.
 */
import { ClosedError } from '../../../src/kernel/errors.ts';
import { Readiness } from '../../../src/kernel/readiness.ts';
import type { Endpoint, Transport } from '../../../src/world/network.ts';

export class ScriptedTransport extends Readiness implements Transport {
  readonly local: Endpoint = { host: '127.0.0.1', port: 1, family: 4 };
  readonly remote: Endpoint = { host: '127.0.0.1', port: 2, family: 4 };
  /** True: the flag is cleared with the last chunk, as after a short read. False: by the try behind
   *  it. */
  clearsEarly = false;
  /** Tries to receive that brought bytes. */
  receives = 0;
  /** What each send has taken: a copy, since the memory is the caller's again at once. */
  readonly sends: Buffer[] = [];
  /** How many pieces each vectored send was offered. */
  readonly offered: number[] = [];
  /** Bytes that sends still take before they would block. */
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

  /** One chunk for one receive. */
  feed(bytes: Uint8Array | string): void {
    if (bytes.length === 0) return;
    this.#chunks.push(typeof bytes === 'string' ? Buffer.from(bytes) : toBuffer(bytes));
    this.notifyRecv();
  }

  /** Nothing more comes: end of file, or an error for ever. */
  finish(error?: Error): void {
    this.#end = error ?? 'ended';
    this.notifyRecv();
  }

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
