/** Sockets as Duplex streams of Node, and Duplex streams as sockets. */
import { Duplex } from 'node:stream';
import { wrongType } from '../kernel/checks.ts';
import { Socket } from '../net/socket.ts';
import { DuplexTransport } from './duplex-transport.ts';
import { ReceiveSide, SendSide } from './socket-sides.ts';

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
  return new SocketStream(socket);
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

class SocketStream extends Duplex implements DuplexSocket {
  readonly #socket: Socket;
  readonly #input: ReceiveSide;
  readonly #output: SendSide;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    this.#input = new ReceiveSide(socket);
    try {
      this.#output = new SendSide(socket);
    } catch (error) {
      this.#input.release();
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
    this.#input.next(size, (error, chunk) => {
      if (error !== null) this.destroy(error);
      else this.push(chunk?.length === 0 ? null : chunk);
    });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#output.send([chunk], callback);
  }

  override _writev(writes: { readonly chunk: Buffer }[], callback: Callback): void {
    this.#output.send(
      writes.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: Callback): void {
    this.#socket.shutdown('send');
    callback();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#input.release();
    this.#output.release();
    if (this.#output.cut) this.#socket.reset();
    else this.#socket.close();
    callback(error);
  }
}
