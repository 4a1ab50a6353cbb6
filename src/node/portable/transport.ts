/**
 * A connection of the portable network: a socket of node:net. What it has in common with other
 * streams is in ../stream/stream-transport.ts; the invariants here are added to those.
 *
 * Invariants:
 *  1. At most WRITE_AHEAD bytes wait in node:net for the kernel.
 *  2. The listeners stay attached, in particular the one for 'error': no failure of a socket can
 *     become an uncaught exception. They find their transport through one property of the socket,
 *     which close() clears: later events are dropped.
 *  3. The socket does not keep the process alive, except while it delivers its last bytes after
 *     close().
 *
 * Reading starts when the connection is accepted or connected, not at the first attempt: a task may
 * wait before it tries, and a reset is detected only on a socket that is being read.
 */
import type { Socket } from 'node:net';
import type { Endpoint, SocketOption } from '../../world/network.ts';
import { endpointText } from '../endpoint.ts';
import { QUEUE_LIMIT, READ_AHEAD } from '../stream/receive-queue.ts';
import { connectionReset, FlowingTransport } from '../stream/stream-transport.ts';
import { clientError, systemError } from '../system-error.ts';
import type { PortableNetwork } from './network.ts';
import type { ConnectionEndpoints } from './node-socket.ts';
import {
  failuresAfter,
  HIDES_RESETS,
  lingerAndClose,
  localEndpoint,
  remoteEndpoint,
  resetSocket,
} from './node-socket.ts';
import type { OptionsSet } from './options.ts';
import { applyOptions, readOption, withOption } from './options.ts';

/** How many bytes a connection may have sent ahead of the kernel. */
export const WRITE_AHEAD: number = 65_536;

/**
 * The high-water mark of both streams inside node:net. A paused socket reads on up to this mark, so
 * the rest of READ_AHEAD is for the receive queue. A shorter write that the kernel takes at once
 * causes no 'drain'. The mark is below WRITE_AHEAD, so 'drain' follows when that is reached.
 */
export const HIGH_WATER_MARK: number = READ_AHEAD - QUEUE_LIMIT;

/** The most that one send takes, so that a fast peer does not keep the other tasks waiting. */
const MAX_SEND = 16 * WRITE_AHEAD;

const EMPTY: Buffer = Buffer.alloc(0);

const transportOf: unique symbol = Symbol('transport');

/** A socket with a reference to its transport. */
interface TransportSocket extends Socket {
  [transportOf]?: PortableTransport | undefined;
}

export class PortableTransport extends FlowingTransport<TransportSocket> {
  local: Endpoint;
  remote: Endpoint;
  readonly #isUnix: boolean;
  readonly #isAccepted: boolean;
  readonly #network: PortableNetwork;
  #options: OptionsSet | null = null;

  /** `attachListeners` was called on `socket` when it was made. */
  constructor(
    socket: Socket,
    network: PortableNetwork,
    ends: ConnectionEndpoints,
    isAccepted: boolean,
  ) {
    super(socket);
    this.#network = network;
    this.#isAccepted = isAccepted;
    this.local = ends.local;
    this.remote = ends.remote;
    this.#isUnix = 'path' in ends.remote;
    this.socket[transportOf] = this;
    network.transports.add(this);
  }

  /** An accepted Unix connection has no name of its own: the listener's name stands for it. */
  override describe(): string {
    return endpointText(this.remote) || endpointText(this.local);
  }

  openLine(): string {
    const verb = this.connected ? 'connection' : 'attempt to connect';
    return `${verb} ${endpointText(this.local)} to ${endpointText(this.remote)}`;
  }

  /** As many writes as the kernel takes at once, each from the slab. */
  override trySend(data: Uint8Array): number {
    const most = Math.min(data.length, MAX_SEND);
    let taken = 0;
    while (taken < most) {
      const length = this.sendableBytes(most - taken);
      if (length === 0) break;
      const piece = this.allocate(length);
      piece.set(length === data.length ? data : data.subarray(taken, taken + length));
      this.write(piece);
      // After a partial send, the next attempt throws the failure.
      if (this.sendFailure !== null && taken > 0) break;
      if (this.sendFailure !== null) throw this.sendFailure();
      taken += length;
    }
    return taken;
  }

  /** If this is 0, the high-water mark has been reached, and 'drain' follows. */
  protected writableBytes(): number {
    return this.connected ? WRITE_AHEAD - this.socket.writableLength : 0;
  }

  protected override allocate(length: number): Buffer {
    return this.#network.sendSlab.piece(length);
  }

  protected write(piece: Buffer): void {
    const { socket } = this;
    socket.write(piece);
    if (socket.errored) this.onError(socket.errored);
    // If the kernel has taken the whole piece, this is 0 already.
    else if (socket.writableLength > 0) this.#network.sendSlab.retain(piece);
  }

  protected override readOption(option: SocketOption): number | undefined {
    return this.#isUnix ? undefined : readOption(this.#options, option);
  }

  protected override changeOption(option: SocketOption, value: number): boolean {
    const options = withOption(this.#options, option, value);
    if (this.#isUnix) return true;
    this.#options = options;
    if (this.connected) applyOptions(options, this.socket);
    return true;
  }

  /** The system resets a connection that is closed with unread bytes, but has none: they are here.
   *  (The peer of a Unix socket receives an ordinary end of file.) */
  override close(): void {
    if (this.received.empty || this.#isUnix) super.close();
    else this.reset();
  }

  protected finish(): void {
    this.#detach();
    lingerAndClose(this.socket, this.#network.lingerMs);
  }

  protected abort(): void {
    this.#detach();
    resetSocket(this.socket);
  }

  #detach(): void {
    this.#network.transports.delete(this);
    this.socket[transportOf] = undefined;
  }

  /** The connection is established: starts to read. */
  open(): void {
    const { socket } = this;
    this.connected = true;
    if (this.#options !== null) applyOptions(this.#options, socket);
    socket.on('data', onData);
    socket.resume();
    // node:net emits no 'drain' before a write has filled its buffer.
    this.canSend = true;
  }

  override onData(chunk: Buffer): void {
    this.#network.received.add(chunk.length);
    super.onData(chunk);
  }

  /** 'connect' of an attempt. */
  onConnect(): void {
    this.local = localEndpoint(this.socket) ?? this.local;
    this.remote = remoteEndpoint(this.socket) ?? this.remote;
    this.open();
    this.becameWritable();
  }

  onEnd(): void {
    if (!HIDES_RESETS || !this.#isReset()) this.inputEnded();
  }

  /** The kernel has taken the bytes that node:net held. */
  onDrain(): void {
    this.becameWritable();
  }

  /** `error` has ended both directions. May be called several times. */
  onError(error: NodeJS.ErrnoException): void {
    if (!this.connected) return this.failed(() => error);
    const { recv, send } = failuresAfter(error, this.#isAccepted ? clientError : systemError);
    this.failed(recv, send);
  }

  /** The descriptor is closed. A direction that has ended without a cause was ended by the peer. */
  onClose(): void {
    const over = this.recvEnded || this.recvFailure !== null;
    if (!over || this.sendFailure === null) this.onError(connectionReset());
  }

  /** Asks the system whether an end of file is a reset: then even an empty write fails. */
  #isReset(): boolean {
    if (this.#isUnix || this.sendFailure !== null || this.socket.writableLength > 0) return false;
    this.write(EMPTY);
    return this.sendFailure !== null;
  }

  /** Node calls back for each socket separately; the notifications of one round are gathered. */
  protected override becameReadable(): void {
    this.#network.notifications.readable(this);
  }

  protected override becameWritable(): void {
    this.#network.notifications.writable(this);
  }
}

/**
 * Memory for the bytes that the portable network sends, shared by all its connections.
 *
 * The caller of a send may change its bytes as soon as the send returns. node:net, however, keeps a
 * reference to the bytes that the kernel does not take at once, and whether it does is known only
 * after the write. So every send is copied into this slab. The kernel nearly always takes
 * everything at once; then the next send reuses the same memory, and nothing is allocated. A piece
 * that node:net keeps is cut off from the slab.
 */
export class SendSlab {
  #free: Buffer = Buffer.allocUnsafeSlow(2 * WRITE_AHEAD);

  /** `length` bytes, at most WRITE_AHEAD, for the next write. */
  piece(length: number): Buffer {
    if (this.#free.length < length) this.#free = Buffer.allocUnsafeSlow(2 * WRITE_AHEAD);
    return this.#free.subarray(0, length);
  }

  /** node:net keeps the latest piece: later pieces start after it. */
  retain(piece: Buffer): void {
    this.#free = this.#free.subarray(piece.length);
  }
}

/** Attaches the listeners. Called as soon as a socket of the network exists. */
export function attachListeners(socket: TransportSocket): void {
  socket.unref();
  socket.on('end', onEnd);
  socket.on('drain', onDrain);
  socket.on('error', onError);
  socket.on('close', onClose);
}

// Shared by all sockets, so that a connection needs no closures. Node calls them with the socket as
// `this`.

export function onConnect(this: TransportSocket): void {
  this[transportOf]?.onConnect();
}

function onData(this: TransportSocket, chunk: Buffer): void {
  this[transportOf]?.onData(chunk);
}

function onEnd(this: TransportSocket): void {
  this[transportOf]?.onEnd();
}

function onDrain(this: TransportSocket): void {
  this[transportOf]?.onDrain();
}

function onError(this: TransportSocket, error: NodeJS.ErrnoException): void {
  this[transportOf]?.onError(error);
}

function onClose(this: TransportSocket): void {
  this[transportOf]?.onClose();
}
