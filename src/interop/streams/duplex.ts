/** Sockets as Duplex streams of Node, and Duplex streams as sockets. */
import { Duplex } from 'node:stream';
import { Socket } from '../../net/tcp/socket.ts';
import {
  brokenPipe,
  connectionReset,
  StreamTransport,
} from '../../node/stream/stream-transport.ts';
import { wrongType } from '../../support/checks.ts';
import type { Endpoint, SocketOption } from '../../world/network.ts';
import { ReadHalf, WriteHalf } from './socket-halves.ts';

/** A Duplex with the addresses of its socket, under the names that net.Socket has for them. */
export interface DuplexSocket extends Duplex {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/**
 * Makes a Duplex of `socket`, for libraries that want one: `pipeline`, `http.Server` (through
 * `server.emit('connection', duplex)`), `tls.connect({ socket: duplex })`. It may be used inside
 * and outside of tasks, for as long as the run of the socket lasts.
 *
 * From now on the stream owns the socket: recv and send of it throw ERR_BUSY. The stream receives
 * only as fast as it is read, and a write ends when the network has taken all of it. Ending it
 * closes the sending half; when both directions have ended, or when it is destroyed, the socket is
 * closed (reset, if that cuts a write off in the middle). Errors of the socket destroy the stream.
 *
 * Throws ERR_BUSY if a task is receiving or sending, ERR_BUFFERED or ERR_FLUSH_NEEDED if a reader
 * or a writer of the socket holds bytes, TypeError for what is no Socket.
 *
 * @example
 * yield* tcpServer(8080, function* (socket) {
 *   const stream = toDuplex(socket);
 *   httpServer.emit('connection', stream);
 *   yield* once(stream, 'close');
 * });
 */
export function toDuplex(socket: Socket): DuplexSocket {
  if (!(socket instanceof Socket)) throw wrongType('socket', 'a Socket', socket);
  return new SocketDuplex(socket);
}

/**
 * Makes a Socket of a Duplex that carries bytes, with all operations of one. It reads ahead by the
 * stream's high-water mark and no more; `sendAll` waits for 'drain' as often as it takes.
 * `shutdown` ends the stream, `close` ends it and destroys it once it has finished (after five
 * seconds at the latest), `reset` destroys it. Errors of the stream are thrown by the operations;
 * a stream that is gone without an end counts as ECONNRESET.
 *
 * The stream belongs to the socket from now on; it is not closed by itself at the end of the run.
 * Throws TypeError for what is no Duplex, or one of objects or texts.
 */
export function fromDuplex(stream: Duplex): Socket {
  const { readableObjectMode, writableObjectMode, readableEncoding } = checkedStream(stream);
  if (readableObjectMode || writableObjectMode || readableEncoding !== null) {
    throw wrongType('stream', 'a Duplex of bytes (no objectMode, no encoding)', stream);
  }
  return new Socket(new DuplexTransport(stream));
}

function checkedStream(stream: Duplex): Duplex {
  const { read, write } = (stream ?? {}) as Partial<Duplex>;
  if (typeof read === 'function' && typeof write === 'function') return stream;
  throw wrongType('stream', 'a Duplex', stream);
}

type Callback = (error?: Error | null) => void;

class SocketDuplex extends Duplex implements DuplexSocket {
  readonly #socket: Socket;
  readonly #readHalf: ReadHalf;
  readonly #writeHalf: WriteHalf;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    this.#readHalf = new ReadHalf(socket);
    try {
      this.#writeHalf = new WriteHalf(socket);
    } catch (error) {
      this.#readHalf.release();
      throw error;
    }
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
    this.#readHalf.read(size, (error, chunk) => {
      if (error !== null) this.destroy(error);
      else this.push(chunk?.length === 0 ? null : chunk);
    });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#writeHalf.write([chunk], callback);
  }

  override _writev(writes: { readonly chunk: Buffer }[], callback: Callback): void {
    this.#writeHalf.write(
      writes.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: Callback): void {
    this.#socket.shutdown('send');
    callback();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#readHalf.release();
    this.#writeHalf.release();
    if (this.#writeHalf.incomplete) this.#socket.reset();
    else this.#socket.close();
    callback(error);
  }
}

/**
 * A transport over a Duplex of Node: a TLS or WebSocket stream, a pipe, one end of a `duplexPair`.
 *
 * The stream stays paused and is read piece by piece, so it reads ahead by its own high-water mark
 * and no more. It is written to until its high-water mark is reached, then 'drain' is waited for.
 * One listener for errors stays attached until the stream is gone: no error of it may become
 * uncaught.
 */

/** A stream with a tiny high-water mark is still given pieces of this size. */
const MIN_WRITE_BYTES = 16_384;
/** How long a closed stream may take to deliver its last bytes. */
const LINGER_MS = 5000;

/** What a Duplex has beside that if it is a socket. */
interface MaybeSocket {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  setNoDelay?(on: boolean): unknown;
  setKeepAlive?(enable: boolean, delay: number): unknown;
  resetAndDestroy?(): unknown;
}

export class DuplexTransport extends StreamTransport {
  readonly local: Endpoint;
  remote: Endpoint;
  readonly #stream: Duplex & MaybeSocket;
  readonly #options = new Map<SocketOption, number>();
  readonly #onReadable = (): void =>
    this.recvEnded ? this.#discardPending() : this.becameReadable();
  readonly #onEnd = (): void => this.inputEnded();
  readonly #onDrain = (): void => this.becameWritable();
  readonly #onError = (error: unknown): void => {
    const failure = (): unknown => error;
    this.failed(failure, failure);
  };
  readonly #onClose = (): void => this.#streamClosed();

  constructor(stream: Duplex & MaybeSocket) {
    super();
    this.local = endpointOf(stream.localAddress, stream.localPort);
    this.remote = endpointOf(stream.remoteAddress, stream.remotePort);
    this.#stream = stream;
    // Only changes are emitted, so the first attempts have to look.
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

  /** What sockets of Node, plain or TLS, offer on every version. They cannot tell what is set. */
  protected override changeOption(option: SocketOption, value: number): boolean {
    const stream = this.#stream;
    const isTime = option === 'keepAliveIdleMs';
    if (option !== 'noDelay' && option !== 'keepAlive' && !isTime) return false;
    if (option === 'noDelay' ? !stream.setNoDelay : !stream.setKeepAlive) return false;
    this.#options.set(option, isTime ? Math.ceil(value / 1000) * 1000 : value);
    if (option === 'noDelay') stream.setNoDelay?.(value === 1);
    else stream.setKeepAlive?.(this.#options.get('keepAlive') === 1, this.#idleMs());
    return true;
  }

  /** 0 leaves what the system has. */
  #idleMs(): number {
    return this.#options.get('keepAliveIdleMs') ?? 0;
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

  protected discardInput(): void {
    this.#discardPending();
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

  /**
   * In its own time: a source that never ends must not keep the loop, as `resume()` would let it.
   */
  #discardPending(): void {
    setImmediate(() => {
      if (this.#stream.read() !== null) this.#discardPending();
    });
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
