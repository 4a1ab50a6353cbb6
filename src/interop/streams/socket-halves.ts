/**
 * The two directions of a socket for code outside of tasks: streams ask for the next bytes, or hand
 * some over, and are called back.
 *
 * Each side takes its direction of the socket for itself: a task that uses it meanwhile gets
 * ERR_BUSY. A notice of the network is answered in the next tick, not inside the network's own
 * loop, since whoever is called back may do anything.
 */
import type { ReadinessWaiter } from '../../kernel/readiness.ts';
import { memoryChanged } from '../../net/bytes.ts';
import { busySocket } from '../../net/errors.ts';
import { NO_PIECES, Pieces } from '../../net/tcp/send.ts';
import type { Socket } from '../../net/tcp/socket.ts';

/** The error, or null and the result. */
export type Done<T> = (error: Error | null, result?: T) => void;

abstract class SocketHalf<T> implements ReadinessWaiter {
  protected abstract readonly direction: 'receive' | 'send';
  protected readonly socket: Socket;
  #done: Done<T> | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** The notice has come: try again, soon. */
  notify(): void {
    process.nextTick(() => this.#try());
  }

  /** The socket was closed under the wait. */
  reject(error: unknown): void {
    process.nextTick(() => this.#settle(error as Error));
  }

  /** Gives the direction back. A wait is forgotten, and nobody is called. */
  release(): void {
    this.#done = null;
    this.releaseDirection();
  }

  protected start(done: Done<T>): void {
    this.#done = done;
    this.#try();
  }

  /** One try; `undefined`: would block. */
  protected abstract attempt(): T | undefined;
  /** Stands in the socket's waiting place. False: somebody else does. */
  protected abstract registerWaiter(): boolean;
  protected abstract releaseDirection(): void;

  #try(): void {
    if (this.#done === null) return;
    let result: T | undefined;
    try {
      result = this.attempt();
    } catch (error) {
      return this.#settle(error as Error);
    }
    if (result !== undefined) this.#settle(null, result);
    else if (!this.registerWaiter()) this.#settle(busySocket(this.direction, this.socket.name));
  }

  #settle(error: Error | null, result?: T): void {
    const done = this.#done;
    this.#done = null;
    done?.(error, result);
  }
}

/** What comes in. */
export class ReadHalf extends SocketHalf<Buffer> {
  protected readonly direction = 'receive';
  #max = 0;

  constructor(socket: Socket) {
    super(socket);
    if (socket.receiving !== null) throw busySocket('receive', socket.name);
    socket.checkUnread();
    socket.receiving = this;
  }

  /** Calls `done` once, with 1..max bytes, or with none at end of file. */
  read(max: number, done: Done<Buffer>): void {
    this.#max = max;
    this.start(done);
  }

  protected attempt(): Buffer | undefined {
    return this.socket.mayReceive() ? this.socket.receive(this.#max) : undefined;
  }

  protected registerWaiter(): boolean {
    const { readiness } = this.socket;
    if (readiness.recvWaiter !== null) return false;
    readiness.recvWaiter = this;
    return true;
  }

  protected releaseDirection(): void {
    if (this.socket.receiving === this) this.socket.receiving = null;
    const { readiness } = this.socket;
    if (readiness.recvWaiter === this) readiness.recvWaiter = null;
  }
}

/** What goes out. */
export class WriteHalf extends SocketHalf<true> {
  protected readonly direction = 'send';
  /** What is still to be sent. */
  #pieces: Pieces = NO_PIECES;
  #started = false;

  constructor(socket: Socket) {
    super(socket);
    if (socket.sending !== null) throw busySocket('send', socket.name);
    socket.checkUnflushed();
    socket.sending = this;
  }

  /** Calls `done` once all of `pieces` was sent. They must not be changed until then. */
  write(pieces: readonly Uint8Array[], done: Done<true>): void {
    this.#pieces = new Pieces(pieces);
    this.#started = false;
    this.start(done);
  }

  /** True: a send was begun and has not come to its end, so the stream is cut in the middle. */
  get incomplete(): boolean {
    return this.#started && this.#pieces.length > 0;
  }

  protected attempt(): true | undefined {
    if (!this.#pieces.intact) throw memoryChanged('chunk', this.#pieces.rest());
    while (this.#pieces.length > 0) {
      if (this.#pieces.transmit(this.socket) === 0) return undefined;
      this.#started = true;
    }
    this.socket.sendCompleted();
    return true;
  }

  protected registerWaiter(): boolean {
    const { readiness } = this.socket;
    if (readiness.sendWaiter !== null) return false;
    readiness.sendWaiter = this;
    return true;
  }

  protected releaseDirection(): void {
    if (this.socket.sending === this) this.socket.sending = null;
    const { readiness } = this.socket;
    if (readiness.sendWaiter === this) readiness.sendWaiter = null;
  }
}
