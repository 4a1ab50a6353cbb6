/** `pipe`: forwards everything that one connection receives to another. */

import type { Operation, Wait } from '../../kernel/operation.ts';
import { PAUSE, Step } from '../../kernel/operation.ts';
import type { WaitResult } from '../../kernel/waits.ts';
import { mustPause, recvWait, sendWait } from '../../kernel/waits.ts';
import { checkKeys, checkOptionalBoolean, wrongType } from '../../support/checks.ts';
import { busySocket, isTransient } from '../errors.ts';
import { Socket } from './socket.ts';

/** Options of `pipe`. */
export interface PipeOptions {
  /**
   * Forward the end of `from`: end of file as `to.shutdown('send')`, and an error by tearing `to`.
   * Default true.
   */
  readonly end?: boolean;
}

/**
 * Sends on `to` everything that `from` receives, until end of file, and returns the number of
 * bytes. Bytes in the reader of `from` go first. At most 128 KB are in memory, so a slow receiver
 * slows the sender down.
 *
 * Cancel: no byte is lost, unless `to` was taking bytes at that moment: then bytes that were
 * received and not sent are lost, and `to` is torn (ERR_TORN).
 * If `from` fails, its stream is incomplete: `to` is torn, unless `end` is false, so that `using`
 * and the server reset it. An orderly end would make the stream look complete.
 * Errors: those of `from` and `to` (ECONNRESET, EPIPE, ERR_CLOSED, …); ERR_BUSY if a task is
 * receiving on `from` or sending on `to`; ERR_FLUSH_NEEDED if the writer of `to` holds bytes;
 * TypeError for a value that is not a Socket.
 *
 * @example
 * // A proxy: both directions, each with its own end of file.
 * yield* all([() => pipe(client, upstream), () => pipe(upstream, client)]);
 */
export function pipe(from: Socket, to: Socket, options: PipeOptions = {}): Operation<number> {
  if (!(from instanceof Socket)) throw wrongType('from', 'a Socket', from);
  if (!(to instanceof Socket)) throw wrongType('to', 'a Socket', to);
  checkKeys('options', options, { end: true });
  checkOptionalBoolean('options.end', options.end);
  return new Pipe(from, to, options.end ?? true);
}

/**
 * Written by hand because it is the hot path of a proxy: a piece costs one receive, one send and
 * little between them.
 *
 * Invariants:
 *  1. While it is in progress, it is the receive of `from` and the send of `to`.
 *  2. It receives only when `rest` is empty: a piece is sent before the next one is received.
 *  3. It owns memory only while it has bytes to send: an idle connection owns none.
 */
class Pipe extends Step<number> {
  private readonly from: Socket;
  private readonly to: Socket;
  private readonly forwardsEnd: boolean;
  private begun = false;
  private total = 0;
  /** The memory of the current piece; null between pieces. */
  private memory: Uint8Array | null = null;
  /** The part of the current piece that is not sent yet. */
  private rest: Uint8Array = NOTHING;
  /** The length of the whole piece. */
  private length = 0;
  /** Created by the first wait, then reused. */
  private untilReadable: WaitResult | null = null;
  private untilWritable: WaitResult | null = null;

  constructor(from: Socket, to: Socket, forwardsEnd: boolean) {
    super();
    this.from = from;
    this.to = to;
    this.forwardsEnd = forwardsEnd;
  }

  next(): IteratorResult<Wait, number> {
    if (!this.begun) this.begin();
    let wait: WaitResult | null;
    try {
      wait = this.move();
      if (wait === null && this.forwardsEnd) this.to.shutdown('send');
    } catch (error) {
      if (isTransient(error)) this.interrupt();
      else this.failed();
      throw error;
    }
    if (wait !== null) return wait;
    this.release();
    return { done: true, value: this.total };
  }

  private begin(): void {
    const { from, to } = this;
    if (from.receiving !== null) throw busySocket('receive', from.name);
    if (to.isSending()) throw busySocket('send', to.name);
    to.checkUnflushed();
    this.begun = true;
    from.receiving = this;
    to.sending = this;
    this.take(from.takeUnread());
  }

  /** Moves pieces until it would block: returns what to wait for, null at end of file. */
  private move(): WaitResult | null {
    const { from } = this;
    for (;;) {
      if (this.rest.length > 0 && !this.sendRest()) {
        this.untilWritable ??= sendWait(this.to.transport);
        return this.untilWritable;
      }
      if (mustPause()) return PAUSE;
      const count = from.mayReceive() ? this.receive() : -1;
      if (count === 0) return null;
      if (count < 0) {
        this.untilReadable ??= recvWait(from.transport);
        return this.untilReadable;
      }
    }
  }

  /** Receives the next piece: its length, 0 at end of file, −1: would block. */
  private receive(): number {
    // Not zeroed: only the bytes that were received into it are read.
    const memory = freeMemory.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
    const count = this.from.receiveInto(memory);
    if (count <= 0) {
      recycleMemory(memory);
      return count;
    }
    this.memory = memory;
    this.take(count === memory.length ? memory : memory.subarray(0, count));
    return count;
  }

  private take(piece: Uint8Array): void {
    this.length = piece.length;
    this.rest = piece;
    this.total += piece.length;
  }

  /** True: the piece is sent. False: `to` would block. */
  private sendRest(): boolean {
    const { to } = this;
    while (this.rest.length > 0) {
      const sent = to.transmit(this.rest);
      if (sent === 0) return false;
      this.rest = sent === this.rest.length ? NOTHING : this.rest.subarray(sent);
    }
    to.sendCompleted();
    this.releaseMemory();
    return true;
  }

  private releaseMemory(): void {
    if (this.memory !== null) recycleMemory(this.memory);
    this.memory = null;
    this.rest = NOTHING;
  }

  /**
   * Interrupted while it waits, or by an error that does not end the connection. Received bytes
   * that are not sent are lost. The stream then has a gap, even if no byte of this piece was sent.
   */
  override throw(error: unknown): IteratorResult<Wait, number> {
    this.interrupt();
    throw error;
  }

  override return(value?: unknown): IteratorResult<Wait, number> {
    this.interrupt();
    return super.return(value);
  }

  private interrupt(): void {
    const { to, rest } = this;
    if (rest.length > 0 && !to.closed) to.tear(this.length - rest.length);
    this.release();
  }

  /** By invariant 2, it is `to` that has failed if a piece is left to send. */
  private failed(): void {
    const { to, rest } = this;
    if (this.forwardsEnd && rest.length === 0 && !to.closed) {
      to.tear(this.total);
      to.incomplete = true;
    }
    this.release();
  }

  private release(): void {
    this.releaseMemory();
    if (this.from.receiving === this) this.from.receiving = null;
    if (this.to.sending === this) this.to.sending = null;
  }
}

/**
 * The length of a piece. Compared with the usual 64 KB it halves the number of calls, and a piece
 * still fits into the cache of a core between its receive and its send. Doubling it again gains
 * nothing.
 */
const PIECE_BYTES = 131072;

/** Memory for the next pieces of any connection. */
const freeMemory: Uint8Array[] = [];
const MAX_FREE_MEMORY = 16;

function recycleMemory(memory: Uint8Array): void {
  if (freeMemory.length < MAX_FREE_MEMORY) freeMemory.push(memory);
}

const NOTHING: Uint8Array = new Uint8Array(0);
