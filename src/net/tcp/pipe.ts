/** `pipe`: everything that one connection receives goes out on another. */

import type { Operation, Wait } from '../../kernel/operation.ts';
import { PAUSE, Step } from '../../kernel/operation.ts';
import type { WaitResult } from '../../kernel/waits.ts';
import { mustPause, recvWait, sendWait } from '../../kernel/waits.ts';
import { wrongType } from '../../support/checks.ts';
import { busySocket, isTransient } from '../errors.ts';
import { Socket } from './socket.ts';

/** How `pipe` goes about it. */
export interface PipeOptions {
  /** Pass the end of file on, as `to.shutdown('send')` does. Default true. */
  readonly end?: boolean;
}

/**
 * Sends on `to` what `from` receives, until the end of file, and gives the number of bytes. What
 * the reader of `from` holds goes first. No more than 128 KB are on the way: a slow receiver slows
 * the sender down.
 *
 * Cancel: what has gone out is whole, unless `to` was taking bytes at that moment: then those that
 * were received and not yet sent are lost, and `to` is torn (ERR_TORN).
 * Errors: those of `from` and `to` (ECONNRESET, EPIPE, ERR_CLOSED, …); ERR_BUSY if a task is
 * receiving on `from` or sending on `to`; ERR_FLUSH_NEEDED if the writer of `to` holds bytes;
 * TypeError for what is no Socket.
 *
 * @example
 * // A proxy: both directions, each with its end of file.
 * yield* all([() => pipe(client, upstream), () => pipe(upstream, client)]);
 */
export function pipe(from: Socket, to: Socket, options: PipeOptions = {}): Operation<number> {
  if (!(from instanceof Socket)) throw wrongType('from', 'a Socket', from);
  if (!(to instanceof Socket)) throw wrongType('to', 'a Socket', to);
  return new Pipe(from, to, options.end ?? true);
}

/**
 * Written by hand, because it is all that a proxy does: a piece costs one receive, one send and
 * next to nothing between them.
 *
 * Invariants:
 *  1. While it is in progress it is what receives on `from` and what sends on `to`.
 *  2. It receives only when `rest` is empty: a piece is out before the next one comes in.
 *  3. It has memory only while bytes are on their way: an idle connection has none.
 */
class Pipe extends Step<number> {
  private readonly from: Socket;
  private readonly to: Socket;
  private readonly forwardsEnd: boolean;
  private begun = false;
  private total = 0;
  /** What the piece is in; null between pieces. */
  private memory: Uint8Array | null = null;
  /** What is left of the piece, and how long the piece is. */
  private rest: Uint8Array = NOTHING;
  private length = 0;
  /** Made by the first wait, and kept. */
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
      else this.release();
      throw error;
    }
    if (wait !== null) return wait;
    this.release();
    return { done: true, value: this.total };
  }

  private begin(): void {
    const { from, to } = this;
    if (from.receiving !== null) throw busySocket('receive', from.name);
    if (to.sending !== null) throw busySocket('send', to.name);
    to.checkUnflushed();
    this.begun = true;
    from.receiving = this;
    to.sending = this;
    this.take(from.takeUnread());
  }

  /** Piece after piece; what to wait for when it cannot go on, null at end of file. */
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

  /** The next piece: its length, 0 at end of file, −1: none is there. */
  private receive(): number {
    const memory = freeMemory.pop() ?? newMemory();
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

  /** True: the piece has gone out. False: `to` takes no more now. */
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
   * Cut off while it waits, or by an error that ends nothing. Bytes that were received and not sent
   * are gone, so the stream has a gap, even if none of this piece has gone out.
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

  private release(): void {
    this.releaseMemory();
    if (this.from.receiving === this) this.from.receiving = null;
    if (this.to.sending === this) this.to.sending = null;
  }
}

/**
 * The length of a piece. Twice the usual 64 KB spares half of the calls, and a piece still fits
 * into a core's cache between its receive and its send; four times gains nothing more.
 */
const PIECE_BYTES = 131072;

/** Memory for the next pieces, whatever connection they are of. */
const freeMemory: Uint8Array[] = [];
const MAX_FREE_MEMORY = 16;

/** Not cleared: only what was received into it is ever looked at. */
function newMemory(): Uint8Array {
  return Buffer.allocUnsafeSlow(PIECE_BYTES);
}

function recycleMemory(memory: Uint8Array): void {
  if (freeMemory.length < MAX_FREE_MEMORY) freeMemory.push(memory);
}

const NOTHING: Uint8Array = new Uint8Array(0);
