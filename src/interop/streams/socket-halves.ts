/**
 * The two directions of a socket for code outside of tasks: a stream requests bytes or passes bytes
 * on, each with a callback.
 *
 * Each half reserves its direction of the socket: a task that uses it meanwhile gets ERR_BUSY. A
 * notification of the network is handled in the next tick and not inside the event loop of the
 * network, because a callback may do anything.
 */
import type { ReadinessWaiter } from '../../kernel/readiness.ts';
import { memoryChanged } from '../../net/bytes.ts';
import { busySocket } from '../../net/errors.ts';
import { NO_PIECES, Pieces } from '../../net/tcp/send.ts';
import { Socket } from '../../net/tcp/socket.ts';
import { nextTick } from '../../node/timers.ts';
import { wrongType } from '../../support/checks.ts';

/** Called with the error, or with null and the result. */
export type Done<T> = (error: Error | null, result?: T) => void;

/** Both halves of a socket, reserved together. */
export class SocketHalves {
  readonly socket: Socket;
  readonly readHalf: ReadHalf;
  readonly writeHalf: WriteHalf;

  constructor(socket: Socket) {
    if (!(socket instanceof Socket)) throw wrongType('socket', 'a Socket', socket);
    this.socket = socket;
    this.readHalf = new ReadHalf(socket);
    try {
      this.writeHalf = new WriteHalf(socket);
    } catch (error) {
      this.readHalf.release();
      throw error;
    }
  }

  release(): void {
    this.readHalf.release();
    this.writeHalf.release();
  }
}

abstract class SocketHalf<T> implements ReadinessWaiter {
  protected readonly socket: Socket;
  readonly #direction: 'receive' | 'send';
  /** The property of the socket that holds the user of this direction. */
  readonly #user: 'receiving' | 'sending';
  readonly #waiter: 'recvWaiter' | 'sendWaiter';
  #done: Done<T> | null = null;

  constructor(socket: Socket, direction: 'receive' | 'send') {
    this.socket = socket;
    this.#direction = direction;
    this.#user = direction === 'receive' ? 'receiving' : 'sending';
    this.#waiter = direction === 'receive' ? 'recvWaiter' : 'sendWaiter';
    if (socket[this.#user] !== null) throw busySocket(direction, socket.name);
    this.checkBuffered();
    socket[this.#user] = this;
  }

  /** The direction is ready: attempt again in the next tick. */
  notify(): void {
    nextTick(() => this.#try());
  }

  /** The socket was closed during the wait. */
  reject(error: unknown): void {
    nextTick(() => this.#settle(error as Error));
  }

  /** Releases the direction. A pending callback is not called. */
  release(): void {
    this.#done = null;
    const { socket } = this;
    if (socket[this.#user] === this) socket[this.#user] = null;
    if (socket.readiness[this.#waiter] === this) socket.readiness[this.#waiter] = null;
  }

  protected start(done: Done<T>): void {
    this.#done = done;
    this.#try();
  }

  /** Throws if a reader or a writer of the socket holds bytes. */
  protected abstract checkBuffered(): void;

  /** One attempt; `undefined`: would block. */
  protected abstract attempt(): T | undefined;

  #try(): void {
    if (this.#done === null) return;
    let result: T | undefined;
    try {
      result = this.attempt();
    } catch (error) {
      return this.#settle(error as Error);
    }
    if (result !== undefined) return this.#settle(null, result);
    const { readiness, name } = this.socket;
    if (readiness[this.#waiter] === null) readiness[this.#waiter] = this;
    else this.#settle(busySocket(this.#direction, name));
  }

  #settle(error: Error | null, result?: T): void {
    const done = this.#done;
    this.#done = null;
    done?.(error, result);
  }
}

export class ReadHalf extends SocketHalf<Buffer> {
  #max = 0;

  constructor(socket: Socket) {
    super(socket, 'receive');
  }

  /** Calls `done` once: with 1..max bytes, or with an empty Buffer at end of file. */
  read(max: number, done: Done<Buffer>): void {
    this.#max = max;
    this.start(done);
  }

  protected checkBuffered(): void {
    this.socket.checkUnread();
  }

  protected attempt(): Buffer | undefined {
    return this.socket.mayReceive() ? this.socket.receive(this.#max) : undefined;
  }
}

export class WriteHalf extends SocketHalf<true> {
  /** The bytes still to be sent. */
  #pieces: Pieces = NO_PIECES;
  #started = false;

  constructor(socket: Socket) {
    super(socket, 'send');
  }

  /** Calls `done` once all of `pieces` are sent. They must not be changed until then. */
  write(pieces: readonly Uint8Array[], done: Done<true>): void {
    this.#pieces = Pieces.of(pieces);
    this.#started = false;
    this.start(done);
  }

  /** True if a write has sent some of its bytes and not all: the byte stream is cut there. */
  get incomplete(): boolean {
    return this.#started && this.#pieces.length > 0;
  }

  protected checkBuffered(): void {
    this.socket.checkUnflushed();
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
}
