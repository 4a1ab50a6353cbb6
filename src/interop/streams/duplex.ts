/** Sockets as Duplex streams of Node, and Duplex streams as sockets. */
import type { DuplexOptions } from 'node:stream';
import { Duplex } from 'node:stream';
import { Socket } from '../../net/tcp/socket.ts';
import {
  brokenPipe,
  connectionReset,
  StreamTransport,
} from '../../node/stream/stream-transport.ts';
import { clearTimeout, setImmediate, setTimeout } from '../../node/timers.ts';
import { wrongType } from '../../support/checks.ts';
import type { Endpoint, SocketOption } from '../../world/network.ts';
import { SocketHalves } from './socket-halves.ts';

/** A Duplex with the addresses of its socket, named as in net.Socket. */
export interface DuplexSocket extends Duplex {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/**
 * Returns `socket` as a Duplex, for libraries that expect one: `pipeline`, `http.Server` (with
 * `server.emit('connection', duplex)`), `tls.connect({ socket: duplex })`. The stream may be used
 * inside and outside of tasks until the run of the socket ends.
 *
 * The stream owns the socket: `recv` and `send` of the socket then throw ERR_BUSY. The stream
 * receives only as fast as it is read, and a write completes when the network has taken all of it.
 * `end` shuts down the send direction. When both directions have ended, or on `destroy`, the socket
 * is closed; if that interrupts a write, the connection is reset. An error of the socket destroys
 * the stream.
 *
 * Errors: ERR_BUSY if a task is receiving or sending, ERR_BUFFERED or ERR_FLUSH_NEEDED if a reader
 * or a writer of the socket holds bytes, TypeError if `socket` is not a Socket.
 *
 * @example
 * yield* tcpServer(8080, function* (socket) {
 *   const stream = toDuplex(socket);
 *   httpServer.emit('connection', stream);
 *   yield* once(stream, 'close');
 * });
 */
export function toDuplex(socket: Socket): DuplexSocket {
  return new SocketDuplex(socket);
}

/**
 * Returns a Socket over a Duplex of bytes, with all operations of a socket. It reads ahead by the
 * high-water mark of the stream at most; `sendAll` waits for 'drain' as often as needed. `shutdown`
 * ends the stream. `close` ends it, and destroys it when it has finished, after five seconds at the
 * latest. `reset` destroys it. Errors of the stream are thrown by the operations. A stream that
 * closes without an end counts as ECONNRESET.
 *
 * The socket owns the stream. It is not closed automatically when the run ends.
 *
 * Errors: TypeError if `stream` is not a Duplex, or is a Duplex of objects or strings.
 *
 * @example
 * const gzip = fromDuplex(createGzip());
 * yield* gzip.sendAll(text);
 * gzip.shutdown();
 * const compressed = yield* gzip.recv();
 */
export function fromDuplex(stream: Duplex): Socket {
  const { read, write } = (stream ?? {}) as Partial<Duplex>;
  if (typeof read !== 'function' || typeof write !== 'function') {
    throw wrongType('stream', 'a Duplex', stream);
  }
  const { readableObjectMode, writableObjectMode, readableEncoding } = stream;
  const { remoteAddress } = stream as MaybeSocket;
  if (readableObjectMode || writableObjectMode || readableEncoding !== null) {
    throw wrongType('stream', 'a Duplex of bytes (no objectMode, no encoding)', stream);
  }
  return new Socket(new DuplexTransport(stream), remoteAddress ?? 'localhost');
}

type Callback = (error?: Error | null) => void;

/** The stream of `toDuplex`. */
export class SocketDuplex extends Duplex implements DuplexSocket {
  readonly #socket: Socket;
  readonly #halves: SocketHalves;

  constructor(socket: Socket, options: DuplexOptions = {}) {
    super(options);
    this.#socket = socket;
    this.#halves = new SocketHalves(socket);
  }

  get localAddress(): string {
    return this.#socket.localAddress.host;
  }

  get localPort(): number {
    return this.#socket.localAddress.port;
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress.host;
  }

  get remotePort(): number {
    return this.#socket.remoteAddress.port;
  }

  override _read(size: number): void {
    this.#halves.readHalf.read(size, (error, chunk) => {
      if (error !== null) this.destroy(error);
      else this.push(chunk?.length === 0 ? null : chunk);
    });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#halves.writeHalf.write([chunk], callback);
  }

  override _writev(writes: { readonly chunk: Buffer }[], callback: Callback): void {
    const chunks = writes.map(({ chunk }) => chunk);
    this.#halves.writeHalf.write(chunks, callback);
  }

  override _final(callback: Callback): void {
    this.#socket.shutdown('send');
    callback();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#halves.release();
    if (this.#halves.writeHalf.incomplete) this.#socket.reset();
    else this.closeSocket();
    callback(error);
  }

  protected closeSocket(): void {
    this.#socket.close();
  }
}

/** The free space that `writableBytes` reports at least, even if the high-water mark is lower. */
const MIN_WRITE_BYTES = 16_384;
/** How long a closed stream may take to deliver its last bytes. */
const LINGER_MS = 5000;

/** The members that a Duplex has if it is a socket. */
interface MaybeSocket {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  setNoDelay?(on: boolean): unknown;
  setKeepAlive?(enable: boolean, delay: number): unknown;
  resetAndDestroy?(): unknown;
}

/**
 * A transport over a Duplex of Node: a TLS or WebSocket stream, a pipe, one end of a `duplexPair`.
 *
 * The stream stays paused and is read chunk by chunk, so it reads ahead by its own high-water mark
 * at most. It is written to until its high-water mark is reached, and again after 'drain'. The
 * listener for 'error' stays attached until the stream is closed: an error cannot become an
 * uncaught exception.
 */
class DuplexTransport extends StreamTransport {
  readonly local: Endpoint;
  remote: Endpoint;
  readonly #stream: Duplex & MaybeSocket;
  readonly #options = new Map<SocketOption, number>();
  readonly #onReadable = (): void => (this.recvEnded ? this.discardInput() : this.becameReadable());
  readonly #onEnd = (): void => this.inputEnded();
  readonly #onDrain = (): void => this.becameWritable();
  readonly #onError = (error: unknown): void => this.failed(() => error);
  readonly #onClose = (): void => this.#streamClosed();

  constructor(stream: Duplex & MaybeSocket) {
    super();
    this.local = endpointOf(stream.localAddress, stream.localPort);
    this.remote = endpointOf(stream.remoteAddress, stream.remotePort);
    this.#stream = stream;
    // A stream emits only changes, so the first attempts determine its current state.
    this.connected = this.canRecv = this.canSend = true;
    stream.on('error', this.#onError);
    stream.on('close', this.#onClose);
    stream.on('end', this.#onEnd);
    stream.on('drain', this.#onDrain);
    stream.on('readable', this.#onReadable);
    if (stream.readableEnded) this.inputEnded();
    if (stream.errored) this.#onError(stream.errored);
    else if (stream.destroyed) this.#streamClosed();
  }

  override describe(): string {
    const name = this.#stream.constructor.name;
    const { remoteAddress, remotePort } = this.#stream;
    return remoteAddress === undefined ? `stream ${name}` : `${remoteAddress}:${remotePort}`;
  }

  protected override readOption(option: SocketOption): number | undefined {
    return this.#options.get(option);
  }

  /** The options that sockets of Node, plain or TLS, have in every version. Their values cannot be
   *  read back, so they are recorded here. An idle time of 0 keeps the setting of the system. */
  protected override changeOption(option: SocketOption, value: number): boolean {
    const stream = this.#stream;
    const isTime = option === 'keepAliveIdleMs';
    if (option !== 'noDelay' && option !== 'keepAlive' && !isTime) return false;
    if (option === 'noDelay' ? !stream.setNoDelay : !stream.setKeepAlive) return false;
    this.#options.set(option, isTime ? Math.ceil(value / 1000) * 1000 : value);
    if (option === 'noDelay') stream.setNoDelay?.(value === 1);
    const { keepAlive, keepAliveIdleMs = 0 } = Object.fromEntries(this.#options);
    if (option !== 'noDelay') stream.setKeepAlive?.(keepAlive === 1, keepAliveIdleMs);
    return true;
  }

  /** Only a read that finds nothing makes the stream fetch more, emit 'readable', or emit 'end'. */
  protected fetch(): void {
    const chunk = this.#stream.read() as Buffer | null;
    if (chunk !== null) this.received.push(chunk);
  }

  protected writableBytes(): number {
    const stream = this.#stream;
    if (stream.writableEnded || !stream.writable) throw brokenPipe();
    if (stream.writableNeedDrain) return 0;
    return Math.max(MIN_WRITE_BYTES, stream.writableHighWaterMark - stream.writableLength);
  }

  protected write(piece: Uint8Array, owned: boolean): void {
    this.#stream.write(owned ? piece : Buffer.from(piece));
  }

  /** Chunk by chunk: with `resume()`, a source that never ends could block the event loop. */
  protected discardInput(): void {
    setImmediate(() => {
      if (this.#stream.read() !== null) this.discardInput();
    });
  }

  protected endOutput(): void {
    this.#stream.end();
  }

  protected finish(): void {
    const stream = this.#stream;
    this.#stopListening();
    if (stream.destroyed) return;
    if (stream.writableFinished || !stream.writable) return void stream.destroy();
    const limit = setTimeout(() => stream.destroy(), LINGER_MS).unref();
    stream.once('close', () => clearTimeout(limit));
    stream.once('finish', () => stream.destroy());
    stream.end();
  }

  protected abort(): void {
    const stream = this.#stream;
    this.#stopListening();
    if (stream.remoteAddress !== undefined && stream.resetAndDestroy) stream.resetAndDestroy();
    else stream.destroy();
  }

  #streamClosed(): void {
    this.#stream.off('error', this.#onError);
    this.#stream.off('close', this.#onClose);
    this.failed(connectionReset, brokenPipe);
  }

  #stopListening(): void {
    this.#stream.off('end', this.#onEnd);
    this.#stream.off('drain', this.#onDrain);
    this.#stream.off('readable', this.#onReadable);
  }
}

function endpointOf(host: string | undefined, port: number | undefined): Endpoint {
  if (host === undefined || port === undefined) return { path: '' };
  return { host, port, family: host.includes(':') ? 6 : 4 };
}
