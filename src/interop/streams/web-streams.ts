/** Sockets as web streams, and web streams as sockets. */
import type {
  ReadableByteStreamController,
  ReadableStreamDefaultReader,
  ReadableStreamReadResult,
  WritableStreamDefaultWriter,
} from 'node:stream/web';
import { ReadableStream, WritableStream } from 'node:stream/web';
import { Socket } from '../../net/tcp/socket.ts';
import { connectionReset, StreamTransport } from '../../node/stream/stream-transport.ts';
import { show, wrongType } from '../../support/checks.ts';
import type { Endpoint } from '../../world/network.ts';
import { ReadHalf, WriteHalf } from './socket-halves.ts';

/** Both directions of a connection. */
export interface WebStreams {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

/** What one receive asks for. */
const MAX_RECV_BYTES = 65_536;

/**
 * Makes a pair of web streams of `socket`. They may be used inside and outside of tasks, for as
 * long as the run of the socket lasts.
 *
 * From now on the streams own the socket: recv and send of it throw ERR_BUSY. `readable` is a byte
 * stream; it receives when it is read and never ahead. A write settles when the network has taken
 * all of the chunk. Closing `writable` closes the sending half, aborting it resets the connection;
 * cancelling `readable` drops what comes. When both have ended, the socket is closed. Errors of
 * the socket become those of the streams.
 *
 * Throws ERR_BUSY if a task is receiving or sending, ERR_BUFFERED or ERR_FLUSH_NEEDED if a reader
 * or a writer of the socket holds bytes, TypeError for what is no Socket.
 */
export function toWebStreams(socket: Socket): WebStreams {
  if (!(socket instanceof Socket)) throw wrongType('socket', 'a Socket', socket);
  const ends = new SocketHalves(socket);
  return { readable: readableOf(ends), writable: writableOf(ends) };
}

/**
 * Makes a Socket of a pair of web streams that carry bytes (a `TransformStream` is one, and so is
 * the stream of a WebStreamTransport). It asks for a chunk when a task receives,
 * and reads no further
 * ahead than the readable stream itself does; `sendAll` waits while the writable stream has no
 * room. `shutdown` closes the writable stream, `close` closes both, `reset` aborts. Errors of the
 * streams are thrown by the operations.
 *
 * Locks both streams. Throws TypeError if they are locked already, or are no streams.
 */
export function fromWebStreams(streams: WebStreams): Socket {
  const { readable, writable } = (streams ?? {}) as Partial<WebStreams>;
  if (typeof readable?.getReader !== 'function' || typeof writable?.getWriter !== 'function') {
    throw wrongType('streams', '{ readable, writable }, both web streams', streams);
  }
  return new Socket(new WebStreamTransport({ readable, writable }));
}

/** Both ends of a socket. It is closed once both have ended. */
class SocketHalves {
  readonly socket: Socket;
  readonly readHalf: ReadHalf;
  readonly writeHalf: WriteHalf;
  #openHalves = 2;

  constructor(socket: Socket) {
    this.socket = socket;
    this.readHalf = new ReadHalf(socket);
    try {
      this.writeHalf = new WriteHalf(socket);
    } catch (error) {
      this.readHalf.release();
      throw error;
    }
  }

  /** One of the two is over. */
  halfEnded(): void {
    if (--this.#openHalves === 0) this.socket.close();
  }

  reset(): void {
    this.readHalf.release();
    this.writeHalf.release();
    this.socket.reset();
  }
}

function readableOf(ends: SocketHalves): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      type: 'bytes',
      pull: (controller) => pull(ends, controller),
      cancel: () => {
        ends.readHalf.release();
        ends.socket.shutdown('recv');
        ends.halfEnded();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The chunk is copied: a byte stream takes the memory away from whoever hands it over. */
function pull(ends: SocketHalves, controller: ReadableByteStreamController): Promise<void> {
  return new Promise((resolve, reject) => {
    ends.readHalf.read(MAX_RECV_BYTES, (error, chunk) => {
      if (error !== null) {
        ends.halfEnded();
        return reject(error);
      }
      if (chunk === undefined || chunk.length === 0) {
        controller.close();
        controller.byobRequest?.respond(0);
        ends.halfEnded();
      } else {
        controller.enqueue(new Uint8Array(chunk));
      }
      resolve();
    });
  });
}

function writableOf(ends: SocketHalves): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    write: (chunk) => write(ends, chunk),
    close: () => {
      ends.socket.shutdown('send');
      ends.halfEnded();
    },
    abort: () => ends.reset(),
  });
}

function write(ends: SocketHalves, chunk: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    ends.writeHalf.write([bytesOf(chunk)], (error) => {
      if (error === null) return resolve();
      ends.halfEnded();
      reject(error);
    });
  });
}

function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  if (!ArrayBuffer.isView(chunk)) throw wrongType('chunk', 'bytes', chunk);
  return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/**
 * A transport over a pair of web streams. It asks for one chunk at a time, when a try has found
 * none, and writes while the writable stream says that there is room (`desiredSize`).
 */

/** The most that is handed over in one piece: the streams count pieces, not bytes, by default. */
const MAX_WRITE_BYTES = 65_536;

export class WebStreamTransport extends StreamTransport {
  readonly local: Endpoint = { path: '' };
  remote: Endpoint = { path: '' };
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #reading = false;
  #waitingForReady = false;
  readonly #onError = (error: unknown): void => {
    const failure = (): unknown => error ?? connectionReset();
    this.failed(failure, failure);
  };

  constructor({ readable, writable }: WebStreams) {
    super();
    this.#reader = readable.getReader();
    this.#writer = writable.getWriter();
    this.#writer.closed.catch(this.#onError);
    this.#reader.closed.catch(this.#onError);
    this.connected = this.canRecv = this.canSend = true;
  }

  override describe(): string {
    return 'web streams';
  }

  protected fetch(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.#reader.read().then((result) => this.#onRead(result), this.#onError);
  }

  #onRead({ done, value }: ReadableStreamReadResult<Uint8Array>): void {
    this.#reading = false;
    if (this.closed || this.recvEnded) return;
    if (done) return this.inputEnded();
    if (!(value instanceof Uint8Array)) return this.#onError(notBytes(value));
    if (value.length === 0) return this.fetch();
    this.received.push(Buffer.from(value.buffer, value.byteOffset, value.length));
    this.becameReadable();
  }

  protected writableBytes(): number {
    if ((this.#writer.desiredSize ?? 0) > 0) return MAX_WRITE_BYTES;
    this.#waitForReady();
    return 0;
  }

  protected write(piece: Uint8Array, owned: boolean): void {
    this.#writer.write(owned ? piece : Buffer.from(piece)).catch(this.#onError);
  }

  protected discardInput(): void {
    this.#reader.cancel().catch(ignore);
  }

  protected endOutput(): void {
    this.#writer.close().catch(ignore);
  }

  protected finish(): void {
    this.discardInput();
    this.endOutput();
  }

  protected abort(): void {
    this.discardInput();
    this.#writer.abort(connectionReset()).catch(ignore);
  }

  #waitForReady(): void {
    if (this.#waitingForReady) return;
    this.#waitingForReady = true;
    const onReady = (): void => {
      this.#waitingForReady = false;
      this.becameWritable();
    };
    this.#writer.ready.then(onReady, onReady);
  }
}

function notBytes(value: unknown): TypeError {
  return wrongType('chunk', `bytes from the readable stream, not ${show(value)}`, value);
}

/** Failures are heard of through `closed`. */
function ignore(): void {}
