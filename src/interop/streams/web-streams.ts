/** Sockets as web streams, and web streams as sockets. */
import type {
  ReadableByteStreamController,
  ReadableStream,
  ReadableStreamDefaultReader,
  ReadableStreamReadResult,
  WritableStream,
  WritableStreamDefaultWriter,
} from 'node:stream/web';
import { Socket } from '../../net/tcp/socket.ts';
import { connectionReset, StreamTransport } from '../../node/stream/stream-transport.ts';
import { show, wrongType } from '../../support/checks.ts';
import type { Endpoint } from '../../world/network.ts';
import { SocketHalves } from './socket-halves.ts';

/** Both directions of a connection. */
export interface WebStreams {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

/** The size of one receive. */
const MAX_RECV_BYTES = 65_536;

/** The most that is written as one chunk: by default, web streams count chunks and not bytes. */
const MAX_WRITE_BYTES = 65_536;

/**
 * Returns `socket` as a pair of web streams. They may be used inside and outside of tasks until the
 * run of the socket halves.
 *
 * The streams own the socket: its recv and send throw ERR_BUSY. `readable` is a byte stream; it
 * receives when it is read and never ahead. A write settles when the network has taken all of the
 * chunk. Closing `writable` shuts down the send direction; aborting it resets the connection.
 * Cancelling `readable` discards later input. When both streams have ended, the socket is closed.
 * An error of the socket becomes the error of the streams.
 *
 * Errors: ERR_BUSY if a task is receiving or sending, ERR_BUFFERED or ERR_FLUSH_NEEDED if a reader
 * or a writer of the socket holds bytes, TypeError if `socket` is not a Socket.
 *
 * @example
 * const { readable, writable } = toWebStreams(socket);
 * yield* until(readable.pipeThrough(new CompressionStream('gzip')).pipeTo(writable));
 */
export function toWebStreams(socket: Socket): WebStreams {
  const halves = new WebSocketHalves(socket);
  return { readable: readableOf(halves), writable: writableOf(halves) };
}

/**
 * Returns a Socket over a pair of web streams of bytes, for example a `TransformStream` or a stream
 * of WebTransport. It requests a chunk when a task receives and reads no further ahead than the
 * readable stream itself does. `sendAll` waits while the writable stream is full. `shutdown` closes
 * the writable stream, `close` closes both streams, `reset` aborts them. Errors of the streams are
 * thrown by the operations.
 *
 * Both streams are locked. Errors: TypeError if they are locked already, or are not streams.
 *
 * @example
 * const socket = fromWebStreams(new TransformStream());
 * yield* socket.sendAll('hello');
 * const data = yield* socket.recv();
 */
export function fromWebStreams(streams: WebStreams): Socket {
  const { readable, writable } = (streams ?? {}) as Partial<WebStreams>;
  if (typeof readable?.getReader !== 'function' || typeof writable?.getWriter !== 'function') {
    throw wrongType('streams', '{ readable, writable }, both web streams', streams);
  }
  return new Socket(new WebStreamTransport({ readable, writable }), 'localhost');
}

/** Closes the socket once both halves have ended. */
class WebSocketHalves extends SocketHalves {
  #openHalves = 2;

  halfEnded(): void {
    if (--this.#openHalves === 0) this.socket.close();
  }
}

function readableOf(halves: WebSocketHalves): ReadableStream<Uint8Array> {
  const { ReadableStream } = process.getBuiltinModule('node:stream/web');
  return new ReadableStream(
    {
      type: 'bytes',
      pull: (controller) => pull(halves, controller),
      cancel: () => {
        halves.readHalf.release();
        halves.socket.shutdown('recv');
        halves.halfEnded();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The chunk is copied, because a byte stream detaches the memory that it is passed. */
function pull(halves: WebSocketHalves, controller: ReadableByteStreamController): Promise<void> {
  return new Promise((resolve, reject) => {
    halves.readHalf.read(MAX_RECV_BYTES, (error, chunk) => {
      if (error !== null) {
        halves.halfEnded();
        return reject(error);
      }
      if (chunk === undefined || chunk.length === 0) {
        controller.close();
        controller.byobRequest?.respond(0);
        halves.halfEnded();
      } else {
        controller.enqueue(new Uint8Array(chunk));
      }
      resolve();
    });
  });
}

function writableOf(halves: WebSocketHalves): WritableStream<Uint8Array> {
  const { WritableStream } = process.getBuiltinModule('node:stream/web');
  return new WritableStream<Uint8Array>({
    write: (chunk) => write(halves, chunk),
    close: () => {
      halves.socket.shutdown('send');
      halves.halfEnded();
    },
    abort: () => {
      halves.release();
      halves.socket.reset();
    },
  });
}

function write(halves: WebSocketHalves, chunk: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    halves.writeHalf.write([bytesOf(chunk)], (error) => {
      if (error === null) return resolve();
      halves.halfEnded();
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
 * A transport over a pair of web streams. It requests one chunk at a time, when an attempt finds
 * none, and writes while `desiredSize` of the writable stream is positive.
 */
class WebStreamTransport extends StreamTransport {
  readonly local: Endpoint = { path: '' };
  remote: Endpoint = { path: '' };
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #reading = false;
  #waitingForReady = false;
  readonly #onError = (error: unknown): void => this.failed(() => error ?? connectionReset());

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
    if (!(value instanceof Uint8Array)) {
      const expected = `bytes from the readable stream, not ${show(value)}`;
      return this.#onError(wrongType('chunk', expected, value));
    }
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

/** Failures are reported by `closed`. */
function ignore(): void {}
