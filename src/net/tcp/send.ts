/** The sending half of a socket: `send`, `sendAll`, `sendv`, and what a Writer flushes with. */
import type { Wait } from '../../kernel/operation.ts';
import { PAUSE } from '../../kernel/operation.ts';
import type { WaitResult } from '../../kernel/waits.ts';
import { mustPause, sendWait } from '../../kernel/waits.ts';
import { memoryChanged } from '../bytes.ts';
import { busySocket, isTransient } from '../errors.ts';
import { ReusableOperation } from '../reusable-operation.ts';
import type { Socket } from './socket.ts';

/** What all sends share: try, wait for 'send', try again until `attempt` says that it is done. */
abstract class Send<T> extends ReusableOperation<T> {
  protected readonly socket: Socket;
  /** Made by the first wait, and kept: most sends never wait. */
  private wait: WaitResult | null = null;
  /** Bytes of this operation that the network has taken. */
  protected sent = 0;

  constructor(socket: Socket) {
    super();
    this.socket = socket;
  }

  next(): IteratorResult<Wait, T> {
    const { socket } = this;
    if (!this.begun) {
      if (socket.sending !== null) return this.throw(busySocket('send', socket.name));
      this.begun = true;
      this.sent = 0;
      socket.sending = this;
      if (mustPause()) return PAUSE;
    }
    let complete: boolean;
    try {
      complete = this.attempt();
    } catch (error) {
      // The connection has failed, and says so from now on: nothing is torn, unless it goes on.
      this.failed();
      if (!isTransient(error)) this.sent = 0;
      return this.throw(error);
    }
    if (complete) return this.finish(this.result());
    this.wait ??= sendWait(socket.transport);
    return this.wait;
  }

  /** What was handed in is not what it was: bytes of it can be lost, so nothing more is sent. */
  protected changed(data: unknown): TypeError {
    if (this.sent > 0) this.socket.tear(this.sent);
    return memoryChanged('data', data);
  }

  /** One try, or several while they make progress. True: nothing is left to do. */
  protected abstract attempt(): boolean;
  protected abstract result(): T;

  /** The network has thrown; `sent` bytes had gone out before. */
  protected failed(): void {}

  /** A send that was cut off after its first byte leaves the stream torn. A send of nothing is no
   *  answer. */
  protected settle(complete: boolean): void {
    this.state = 'idle';
    const { socket } = this;
    if (socket.sending !== this) return;
    socket.sending = null;
    if (this.sent === 0) return;
    if (complete) socket.sendCompleted();
    else socket.tear(this.sent);
  }
}

/** `send`: as much as the network takes at once. */
export class SendSome extends Send<number> {
  protected get call(): string {
    return 'socket.send(data)';
  }

  private readonly data: Uint8Array;
  private readonly length: number;

  constructor(socket: Socket, data: Uint8Array) {
    super(socket);
    this.data = data;
    this.length = data.length;
    this.state = 'made';
  }

  protected attempt(): boolean {
    if (this.data.length !== this.length) throw this.changed(this.data);
    if (this.data.length === 0) return true;
    this.sent = this.socket.transmit(this.data);
    return this.sent > 0;
  }

  protected result(): number {
    return this.sent;
  }
}

/** `sendAll`: all of it, over as many tries as it takes. */
export class SendAll extends Send<void> {
  protected get call(): string {
    return 'socket.sendAll(data)';
  }

  /** What is still to be sent; let go of when the operation is over. */
  data: Uint8Array = NOTHING;
  /** Its length, unless somebody else has changed it. */
  left = 0;

  protected attempt(): boolean {
    if (this.data.length !== this.left) throw this.changed(this.data);
    while (this.data.length > 0) {
      const count = this.socket.transmit(this.data);
      this.sent += count;
      if (count === this.data.length) break;
      if (count === 0) return false;
      this.data = this.data.subarray(count);
      this.left = this.data.length;
    }
    return true;
  }

  protected result(): void {}

  protected override settle(complete: boolean): void {
    this.data = NOTHING;
    super.settle(complete);
  }
}

/** Several pieces as one, without joining them. */
export abstract class SendPieces extends Send<void> {
  protected pieces: Pieces = NO_PIECES;

  protected attempt(): boolean {
    const { pieces, socket } = this;
    if (!pieces.intact) throw this.changed(pieces.rest());
    while (pieces.length > 0) {
      const count = pieces.transmit(socket);
      if (count === 0) return false;
      this.sent += count;
    }
    return true;
  }

  protected result(): void {}

  protected override settle(complete: boolean): void {
    this.pieces = NO_PIECES;
    super.settle(complete);
  }
}

/** `sendv`: the pieces of the caller's. */
export class SendVector extends SendPieces {
  protected get call(): string {
    return 'socket.sendv(chunks)';
  }

  constructor(socket: Socket, chunks: readonly Uint8Array[]) {
    super(socket);
    this.pieces = new Pieces(chunks);
    this.state = 'made';
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** Pieces of bytes on their way out, in order: what vectored sends and streams send from. */

/** The contract of the networks looks at no more pieces than this in one vectored send. */
const MAX_PIECES_PER_SEND = 64;

export class Pieces {
  readonly #list: Uint8Array[];
  /** The pieces before this one have gone out. */
  #next = 0;
  /** Bytes that have not gone out. */
  #length = 0;

  /** The list of the caller's is not changed. Empty pieces are nothing. */
  constructor(chunks: readonly Uint8Array[]) {
    this.#list = chunks.filter((chunk) => chunk.length > 0);
    for (const { length } of this.#list) this.#length += length;
  }

  get length(): number {
    return this.#length;
  }

  /** False: memory of a piece was detached or resized by somebody else. */
  get intact(): boolean {
    let length = 0;
    for (let i = this.#next; i < this.#list.length; i++) {
      length += (this.#list[i] as Uint8Array).length;
    }
    return length === this.#length;
  }

  /** One try to send: the number of bytes that the network took, 0: would block. */
  transmit(socket: Socket): number {
    const batch = this.#batch();
    const count =
      batch.length === 1 ? socket.transmit(batch[0] as Uint8Array) : socket.transmitv(batch);
    this.#drop(count);
    return count;
  }

  /** What is left. */
  rest(): Uint8Array[] {
    return this.#list.slice(this.#next);
  }

  #batch(): readonly Uint8Array[] {
    if (this.#next === 0 && this.#list.length <= MAX_PIECES_PER_SEND) return this.#list;
    return this.#list.slice(this.#next, this.#next + MAX_PIECES_PER_SEND);
  }

  /** The first `count` bytes have gone out. */
  #drop(count: number): void {
    this.#length -= count;
    let left = count;
    while (left > 0) {
      const piece = this.#list[this.#next] as Uint8Array;
      if (left < piece.length) {
        this.#list[this.#next] = piece.subarray(left);
        return;
      }
      left -= piece.length;
      this.#next++;
    }
  }
}

/** Nothing to send. */
export const NO_PIECES: Pieces = new Pieces([]);
