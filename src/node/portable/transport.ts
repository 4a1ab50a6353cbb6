/**
 * A connection of the portable network: a node:net socket turned from push to pull.
 *
 *   connecting ──connect──▶ connected ──end, error──▶ ended, failed
 *       └──error──▶ failed         (close() and reset() lead from anywhere to closed)
 *
 * Invariants:
 *  1. Node pushes into a bounded queue and is paused when it is full; tries take from the queue. So
 *     a peer is read ahead of the program by READ_AHEAD and the chunks under way, no more.
 *  2. Queued bytes come before the end of file, and before an error.
 *  3. A try in a direction that has failed throws the error kept for it, every time.
 *  4. At most WRITE_AHEAD bytes wait in node:net for the kernel.
 *  5. The listeners are attached for ever, the one for 'error' above all: no failure of a socket
 *     can become an uncaught exception. They find their transport through one property of the
 *     socket, which close() empties: what comes later is dropped.
 *  6. The socket does not keep the process alive, except while it delivers its last bytes after
 *     close().
 *
 * Reading begins when the connection is handed out, not at the first try: a task may wait before it
 * tries, and only a socket that is being read learns of a reset.
 */
import type { Socket } from 'node:net';
import { ClosedError } from '../../kernel/errors.ts';
import { Readiness } from '../../kernel/readiness.ts';
import type { Endpoint, SocketOption, Transport } from '../../world/network.ts';
import { endpointText } from '../endpoint.ts';
import type { SendSlab } from './buffers.ts';
import { gather, ReceiveQueue, WRITE_AHEAD } from './buffers.ts';
import type { ConnectionEndpoints, Failure } from './node-socket.ts';
import {
  brokenPipe,
  HIDES_RESETS,
  lingerAndClose,
  localEndpoint,
  peerReset,
  recvFailure,
  remoteEndpoint,
  resetSocket,
  sendFailure,
} from './node-socket.ts';
import type { NotificationQueue } from './notification-queue.ts';
import type { OptionsSet } from './options.ts';
import { applyOptions, readOption, withOption } from './options.ts';

/**
 * The mark of the streams inside node:net. READ_AHEAD and WRITE_AHEAD do the counting, so node's
 * own marks are out of the way: a paused socket stops after the next chunk, and every write that
 * stays behind is followed by 'drain'.
 */
export const HIGH_WATER_MARK = 1;

/** What the connections of one network share. */
export interface TransportContext {
  /** The open ones. */
  readonly transports: Set<PortableTransport>;
  readonly sendSlab: SendSlab;
  readonly notifications: NotificationQueue;
  /** How long a closed connection with unsent bytes may make no progress before it is given up. */
  readonly lingerMs: number;
}

/** A try takes at most so much before others have their turn, however fast the peer is. */
const MAX_SEND = 16 * WRITE_AHEAD;
/** The contract looks at no more pieces than this in one vectored send. */
const MAX_PIECES = 64;

const EMPTY: Buffer = Buffer.alloc(0);

const transportOf: unique symbol = Symbol('transport');

/** A socket with the way back to its transport. */
interface TransportSocket extends Socket {
  [transportOf]?: PortableTransport | undefined;
}

export class PortableTransport extends Readiness implements Transport {
  local: Endpoint;
  remote: Endpoint;
  readonly #isUnix: boolean;
  readonly #socket: TransportSocket;
  readonly #context: TransportContext;
  readonly #received = new ReceiveQueue();
  /** The socket was paused because the queue is full. */
  #paused = false;
  /** End of file: the peer's, or by shutdown('recv'). */
  #recvEnded = false;
  /** Why every later receive fails, once the queue is empty. */
  #recvFailure: Failure | null = null;
  /** Why every later send fails. */
  #sendFailure: Failure | null = null;
  #connected = false;
  /** Why tryConnect fails. */
  #connectFailure: Failure | null = null;
  /** Bytes that may wait in node:net. 0 before the connection stands, so that sends would block. */
  #writeAhead = 0;
  #options: OptionsSet | null = null;
  #closed = false;

  /** `attach` was called on `socket` when it was made. */
  private constructor(socket: Socket, home: TransportContext, ends: ConnectionEndpoints) {
    super();
    this.#socket = socket;
    this.#context = home;
    this.local = ends.local;
    this.remote = ends.remote;
    this.#isUnix = 'path' in ends.remote;
    this.#socket[transportOf] = this;
    home.transports.add(this);
  }

  /** The transport of an attempt that is under way. */
  static connecting(
    socket: Socket,
    home: TransportContext,
    ends: ConnectionEndpoints,
  ): PortableTransport {
    socket.once('connect', onConnect);
    return new PortableTransport(socket, home, ends);
  }

  /** The transport of an accepted connection, still paused. */
  static accepted(
    socket: Socket,
    home: TransportContext,
    ends: ConnectionEndpoints,
  ): PortableTransport {
    const transport = new PortableTransport(socket, home, ends);
    transport.opened();
    return transport;
  }

  /** An accepted Unix connection has no name of its own: it goes by the listener's. */
  override describe(): string {
    const text = endpointText(this.remote);
    return text === '' ? endpointText(this.local) : text;
  }

  openLine(): string {
    const verb = this.#connected ? 'connection' : 'attempt to connect';
    return `${verb} ${endpointText(this.local)} to ${endpointText(this.remote)}`;
  }

  tryConnect(): boolean {
    if (this.#connectFailure !== null) throw this.#connectFailure();
    if (!this.#connected) this.canSend = false;
    return this.#connected;
  }

  tryRecv(max: number): Buffer | undefined {
    const chunk = this.#received.take(max);
    if (chunk === undefined) return this.#atEnd() ? EMPTY : undefined;
    if (this.#received.empty) this.#emptied();
    return chunk;
  }

  tryRecvInto(into: Uint8Array): number {
    const filled = this.#received.takeInto(into);
    if (filled === 0) return this.#atEnd() ? 0 : -1;
    if (this.#received.empty) this.#emptied();
    return filled;
  }

  trySend(data: Uint8Array): number {
    const most = Math.min(data.length, MAX_SEND);
    let taken = 0;
    while (taken < most) {
      const length = Math.min(this.#sendSpace(), most - taken);
      if (length === 0) break;
      const piece = this.#context.sendSlab.piece(length);
      piece.set(length === data.length ? data : data.subarray(taken, taken + length));
      if (!this.#write(piece)) return this.#partialSend(taken);
      taken += length;
    }
    return taken;
  }

  /** One write for all pieces: since they must be copied anyway, they are copied side by side. */
  trySendv(chunks: readonly Uint8Array[]): number {
    const pieces = chunks.length > MAX_PIECES ? chunks.slice(0, MAX_PIECES) : chunks;
    const total = pieces.reduce((sum, { length }) => sum + length, 0);
    const length = Math.min(this.#sendSpace(), total);
    if (length === 0) return 0;
    const piece = this.#context.sendSlab.piece(length);
    gather(pieces, piece);
    return this.#write(piece) ? length : this.#partialSend(0);
  }

  shutdown(how: 'send' | 'recv' | 'both'): void {
    if (this.#closed) return;
    if (how !== 'send') this.#shutdownRecv();
    if (how !== 'recv') this.#shutdownSend();
  }

  getOption(option: SocketOption): number | undefined {
    if (this.#closed || this.#isUnix) return undefined;
    return readOption(this.#options, option);
  }

  setOption(option: SocketOption, value: number): void {
    if (this.#closed) throw this.#closedError();
    const options = withOption(this.#options, option, value);
    if (this.#isUnix) return;
    this.#options = options;
    if (this.#connected) applyOptions(options, this.#socket);
  }

  close(): void {
    if (this.#detach()) lingerAndClose(this.#socket, this.#context.lingerMs);
  }

  reset(): void {
    if (this.#detach()) resetSocket(this.#socket);
  }

  /** The connection stands. */
  opened(): void {
    const socket = this.#socket;
    this.#connected = true;
    this.#writeAhead = WRITE_AHEAD;
    if (this.#options !== null) applyOptions(this.#options, socket);
    socket.on('data', onData);
    socket.resume();
    // The first notice: node:net would not give one before a send has been refused.
    this.canSend = true;
  }

  /** 'connect' of an attempt. */
  connected(): void {
    this.local = localEndpoint(this.#socket) ?? this.local;
    this.remote = remoteEndpoint(this.#socket) ?? this.remote;
    this.opened();
    this.#context.notifications.writable(this);
  }

  received(chunk: Buffer): void {
    if (this.#recvEnded) return;
    if (!this.#received.push(chunk)) this.#pause();
    this.#context.notifications.readable(this);
  }

  ended(): void {
    if (HIDES_RESETS && this.#isReset()) return;
    this.#recvEnded = true;
    this.#context.notifications.readable(this);
  }

  /** `error` has ended the socket, and so both directions. Called once or several times. */
  failed(error: NodeJS.ErrnoException): void {
    this.#drainStream();
    if (this.#connected) {
      this.#recvFailure ??= recvFailure(error);
      this.#sendFailure ??= sendFailure(error);
    } else {
      this.#connectFailure ??= () => error;
      this.#recvFailure ??= this.#connectFailure;
      this.#sendFailure ??= this.#connectFailure;
    }
    this.#context.notifications.readable(this);
    this.#context.notifications.writable(this);
  }

  /** The kernel has taken what node:net held. */
  drained(): void {
    this.#context.notifications.writable(this);
  }

  /** The descriptor is gone. What has ended without a cause, the peer has ended. */
  socketClosed(): void {
    const over = this.#recvEnded || this.#recvFailure !== null;
    if (!over || this.#sendFailure === null) this.failed(peerReset());
  }

  /** Nothing is queued. True at end of file, false when more may come. */
  #atEnd(): boolean {
    if (this.#recvEnded) return true;
    if (this.#recvFailure !== null) throw this.#recvFailure();
    this.canRecv = false;
    return false;
  }

  /** The queue has just become empty. What is left to report then is the end, if it is known. */
  #emptied(): void {
    if (!this.#recvEnded && this.#recvFailure === null) this.canRecv = false;
    this.#resume();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** How much may be written now; 0: would block. The mark was reached, so 'drain' will follow. */
  #sendSpace(): number {
    if (this.#sendFailure !== null) throw this.#sendFailure();
    const room = this.#writeAhead - this.#socket.writableLength;
    if (room > 0) return room;
    this.canSend = false;
    return 0;
  }

  /** Writes a piece of the send slab. False: the connection has failed instead. */
  #write(piece: Buffer): boolean {
    const socket = this.#socket;
    socket.write(piece);
    if (socket.errored) {
      this.failed(socket.errored);
      return false;
    }
    // Node reports what it holds at once: nothing, when the kernel took the whole piece.
    if (socket.writableLength > 0) this.#context.sendSlab.retain(piece);
    return true;
  }

  /** Asks the system whether "end of file" is a reset: then even an empty write fails. */
  #isReset(): boolean {
    if (this.#isUnix || this.#sendFailure !== null || this.#socket.writableLength > 0) return false;
    return !this.#write(EMPTY);
  }

  /** A send met the failure of the connection after `taken` bytes: the next try throws it. */
  #partialSend(taken: number): number {
    if (taken === 0) throw this.#sendFailure?.();
    return taken;
  }

  #shutdownRecv(): void {
    this.#received.clear();
    this.#resume();
    this.#recvEnded = true;
    this.#context.notifications.readable(this);
  }

  #shutdownSend(): void {
    this.#sendFailure ??= brokenPipe;
    this.#socket.end();
    this.#context.notifications.writable(this);
  }

  /** Saves what a paused stream still holds: it is lost when the failed socket is closed. */
  #drainStream(): void {
    const socket = this.#socket;
    if (socket.readableLength === 0 || this.#recvEnded) return;
    socket.off('data', onData);
    const chunk: Buffer | null = socket.read();
    if (chunk !== null) this.#received.push(chunk);
  }

  /** The program is done with the transport. False if it was before. */
  #detach(): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    this.#context.transports.delete(this);
    this.#socket[transportOf] = undefined;
    this.#received.clear();
    this.#recvEnded = false;
    const failure = (): ClosedError => this.#closedError();
    this.#connectFailure = this.#recvFailure = this.#sendFailure = failure;
    this.canRecv = this.canSend = true;
    if (this.recvWaiter ?? this.sendWaiter) this.rejectWaiters(failure());
    return true;
  }

  #closedError(): ClosedError {
    return new ClosedError('ERR_CLOSED', `The connection with ${this.describe()} was closed here`);
  }
}

/** What every socket of the network gets in its first moment. */
export function attachListeners(socket: TransportSocket): void {
  socket.unref();
  socket.on('end', onEnd);
  socket.on('drain', onDrain);
  socket.on('error', onError);
  socket.on('close', onClose);
}

// Shared by all sockets, so that an idle connection pays for no closures. Node calls them with the
// socket as `this`.

function onConnect(this: TransportSocket): void {
  this[transportOf]?.connected();
}

function onData(this: TransportSocket, chunk: Buffer): void {
  this[transportOf]?.received(chunk);
}

function onEnd(this: TransportSocket): void {
  this[transportOf]?.ended();
}

function onDrain(this: TransportSocket): void {
  this[transportOf]?.drained();
}

function onError(this: TransportSocket, error: NodeJS.ErrnoException): void {
  this[transportOf]?.failed(error);
}

function onClose(this: TransportSocket): void {
  this[transportOf]?.socketClosed();
}
