/** The sending half of a socket: `send`, `sendAll`, `sendv`, and the flush of a Writer. */
import type { Wait } from '../../kernel/operation.ts';
import { PAUSE } from '../../kernel/operation.ts';
import { noteMade } from '../../kernel/task/undriven.ts';
import { mustPause, sendWait } from '../../kernel/waits.ts';
import { memoryChanged } from '../bytes.ts';
import { busySocket, isTransient } from '../errors.ts';
import { ReusableOperation } from '../reusable-operation.ts';
import type { Datagram } from '../udp/datagram.ts';
import { keep } from './loan.ts';
import type { Socket } from './socket.ts';

/** The loop of every send: attempt, wait for 'send', attempt again until it is complete. */
export abstract class Send<T, S extends Socket | Datagram> extends ReusableOperation<T> {
  protected readonly socket: S;

  constructor(socket: S) {
    super();
    this.socket = socket;
  }

  next(): IteratorResult<Wait, T> {
    const { socket } = this;
    if (this.state === 'driven') {
      if (socket.isSending()) return this.throw(busySocket('send', socket.name));
      this.state = 'begun';
      socket.sending = this;
      if (mustPause()) {
        this.keepData();
        return PAUSE;
      }
      if (this.queue()) return sendWait(socket.transport);
    }
    let complete: boolean;
    try {
      complete = this.attempt();
    } catch (error) {
      this.failed(error);
      return this.throw(error);
    }
    if (complete) return this.finish(this.result());
    this.keepData();
    return sendWait(socket.transport);
  }

  /** True: the first attempt is queued, and `attempt` takes its result. */
  protected queue(): boolean {
    return false;
  }

  /** One attempt, or several while they make progress. True: the send is complete. */
  protected abstract attempt(): boolean;
  protected abstract result(): T;
  /** Before a wait: copies data that is on loan. */
  protected abstract keepData(): void;
  /** `attempt` has thrown. */
  protected abstract failed(error: unknown): void;
}

/** A send on a connection: it may be interrupted between its first and its last byte. */
abstract class StreamSend<T> extends Send<T, Socket> {
  /** Bytes of this operation that the network has taken. */
  protected sent = 0;

  /** The error for memory that changed. Some of its bytes may be lost, so the stream is torn. */
  protected failChanged(data: unknown): TypeError {
    if (this.sent > 0) this.socket.tear(this.sent);
    return memoryChanged('data', data);
  }

  /** After an error of the connection, every later send throws that error. The stream counts as
   *  torn only after an error that does not end the connection. */
  protected failed(error: unknown): void {
    if (!isTransient(error)) this.sent = 0;
  }

  /** A send that is interrupted after its first byte leaves the stream torn. A send of nothing is
   *  not a response. */
  protected settle(complete: boolean): void {
    const { socket, sent } = this;
    this.state = 'idle';
    this.sent = 0;
    if (socket.sending !== this) return;
    socket.sending = null;
    if (sent === 0) return;
    if (complete) socket.sendCompleted();
    else socket.tear(sent);
  }
}

/** `send`: as many bytes as the network takes at once. */
export class SendSome extends StreamSend<number> {
  protected get call(): string {
    return 'socket.send(data)';
  }

  private data: Uint8Array;
  private readonly length: number;

  constructor(socket: Socket, data: Uint8Array) {
    super(socket);
    this.data = data;
    this.length = data.length;
  }

  protected attempt(): boolean {
    if (this.data.byteLength !== this.length) throw this.failChanged(this.data);
    if (this.data.length === 0) return true;
    this.sent = this.socket.transmit(this.data);
    return this.sent > 0;
  }

  protected result(): number {
    return this.sent;
  }

  protected keepData(): void {
    this.data = keep(this.data);
  }
}

/**
 * `sendAll`: all bytes, in as many attempts as it takes.
 *
 * While other tasks are ready, the first attempt after a receive is queued, and the task waits for
 * its result. Whatever could notice that carries out the send first: another operation on the
 * socket (`finishQueued`), a cancellation, a close (the transport).
 */
export class SendAll extends StreamSend<void> {
  protected get call(): string {
    return 'socket.sendAll(data)';
  }

  /** The bytes that are not sent yet. */
  private data: Uint8Array;
  /** The expected length of `data`: another one means that its memory has changed. */
  private left: number;
  /** True: the transport has the result of the first attempt, or will have it. */
  private queued = false;
  /** The error of a send that `finishQueued` has ended. */
  private failure: unknown = undefined;

  constructor(socket: Socket, data: Uint8Array) {
    super(socket);
    this.data = data;
    this.left = data.length;
    noteMade(this);
  }

  override next(): IteratorResult<Wait, void> {
    return this.state === 'idle' ? this.ended() : super.next();
  }

  /** A queued send has happened, so its result has precedence over a cancellation. */
  override throw(error: unknown): IteratorResult<Wait, void> {
    return this.finishQueued() || this.state === 'idle' ? this.ended() : super.throw(error);
  }

  override return(value?: unknown): IteratorResult<Wait, void> {
    this.finishQueued();
    return super.return(value);
  }

  /** Ends a send whose only attempt is queued. Returns false if it has more bytes to send. */
  finishQueued(): boolean {
    if (!this.queued) return false;
    try {
      if (!this.attempt()) return false;
    } catch (error) {
      this.failed(error);
      this.failure = error;
    }
    this.settle(this.failure === undefined);
    return true;
  }

  /** The result, after `finishQueued`. */
  private ended(): IteratorResult<Wait, void> {
    if (this.failure !== undefined) throw this.failure;
    return { done: true, value: undefined };
  }

  protected override queue(): boolean {
    this.queued = this.socket.queueSend(this.data);
    return this.queued;
  }

  protected attempt(): boolean {
    if (this.queued && this.takeQueued()) return true;
    if (this.data.byteLength !== this.left) throw this.failChanged(this.data);
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

  /** Returns true if the queued attempt has sent everything. */
  private takeQueued(): boolean {
    this.queued = false;
    this.sent = this.socket.transmit(this.data);
    if (this.sent === this.left) return true;
    if (this.data.byteLength === this.left) {
      this.data = this.data.subarray(this.sent);
      this.left = this.data.length;
    }
    return false;
  }

  protected result(): void {}

  protected keepData(): void {
    this.data = keep(this.data);
  }

  protected override settle(complete: boolean): void {
    this.socket.sendAllEnded(this);
    super.settle(complete);
  }
}

/** Sends several pieces without joining them. */
export abstract class SendPieces extends StreamSend<void> {
  protected pieces: Pieces = NO_PIECES;

  protected attempt(): boolean {
    const { pieces, socket } = this;
    if (!pieces.intact) throw this.failChanged(pieces.rest());
    while (pieces.length > 0) {
      const count = pieces.transmit(socket);
      if (count === 0) return false;
      this.sent += count;
    }
    return true;
  }

  protected result(): void {}

  protected keepData(): void {
    this.pieces.keep();
  }

  protected override settle(complete: boolean): void {
    this.pieces = NO_PIECES;
    super.settle(complete);
  }
}

/** `sendv`: the caller's pieces. */
export class SendVector extends SendPieces {
  protected get call(): string {
    return 'socket.sendv(chunks)';
  }

  constructor(socket: Socket, chunks: readonly Uint8Array[]) {
    super(socket);
    this.pieces = Pieces.of(chunks);
  }
}

/** A vectored send looks at no more pieces than this (world/network.ts, `trySendv`). */
const MAX_PIECES_PER_SEND = 64;

/** Pieces that wait to be sent, in order. */
export class Pieces {
  readonly #list: Uint8Array[];
  /** Index of the first piece that is not sent yet. */
  #next = 0;
  /** Bytes that are not sent yet. */
  #length: number;

  /** The `length` bytes of `list`, which belongs to this object now and has no empty piece. */
  constructor(list: Uint8Array[], length: number) {
    this.#list = list;
    this.#length = length;
  }

  /** Copies the list and skips empty pieces. */
  static of(chunks: readonly Uint8Array[]): Pieces {
    const list = chunks.filter((chunk) => chunk.length > 0);
    let length = 0;
    for (const chunk of list) length += chunk.length;
    return new Pieces(list, length);
  }

  get length(): number {
    return this.#length;
  }

  /** False: the memory of a piece was detached or resized. */
  get intact(): boolean {
    let length = 0;
    for (let i = this.#next; i < this.#list.length; i++) {
      length += (this.#list[i] as Uint8Array).byteLength;
    }
    return length === this.#length;
  }

  /** One attempt to send. Returns the number of bytes that the network took; 0: would block. */
  transmit(socket: Socket): number {
    const batch = this.#batch();
    const count =
      batch.length === 1 ? socket.transmit(batch[0] as Uint8Array) : socket.transmitv(batch);
    this.#drop(count);
    return count;
  }

  /** Copies the pieces that are on loan. */
  keep(): void {
    for (let i = this.#next; i < this.#list.length; i++) {
      this.#list[i] = keep(this.#list[i] as Uint8Array);
    }
  }

  /** The pieces that are not sent yet. */
  rest(): Uint8Array[] {
    return this.#list.slice(this.#next);
  }

  #batch(): readonly Uint8Array[] {
    if (this.#next === 0 && this.#list.length <= MAX_PIECES_PER_SEND) return this.#list;
    return this.#list.slice(this.#next, this.#next + MAX_PIECES_PER_SEND);
  }

  /** Removes the first `count` bytes. */
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

export const NO_PIECES: Pieces = new Pieces([], 0);
