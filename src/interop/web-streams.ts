/** Sockets as web streams, and web streams as sockets. */

import type { ReadableByteStreamController } from 'node:stream/web';
import { ReadableStream, WritableStream } from 'node:stream/web';
import { wrongType } from '../kernel/checks.ts';
import { Socket } from '../net/socket.ts';
import { ReceiveSide, SendSide } from './socket-sides.ts';
import { WebTransport } from './web-transport.ts';

/** Both directions of a connection. */
export interface WebStreams {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

/** What one receive asks for. */
const RECV_MAX = 65_536;

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
  const ends = new Ends(socket);
  return { readable: readableOf(ends), writable: writableOf(ends) };
}

/**
 * Makes a Socket of a pair of web streams that carry bytes (a `TransformStream` is one, and so is
 * the stream of a WebTransport). It asks for a chunk when a task receives, and reads no further
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
  return new Socket(new WebTransport({ readable, writable }));
}

/** Both ends of a socket. It is closed once both have ended. */
class Ends {
  readonly socket: Socket;
  readonly input: ReceiveSide;
  readonly output: SendSide;
  #open = 2;

  constructor(socket: Socket) {
    this.socket = socket;
    this.input = new ReceiveSide(socket);
    try {
      this.output = new SendSide(socket);
    } catch (error) {
      this.input.release();
      throw error;
    }
  }

  /** One of the two is over. */
  end(): void {
    if (--this.#open === 0) this.socket.close();
  }

  reset(): void {
    this.input.release();
    this.output.release();
    this.socket.reset();
  }
}

function readableOf(ends: Ends): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      type: 'bytes',
      pull: (controller) => pull(ends, controller),
      cancel: () => {
        ends.input.release();
        ends.socket.shutdown('recv');
        ends.end();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The chunk is copied: a byte stream takes the memory away from whoever hands it over. */
function pull(ends: Ends, controller: ReadableByteStreamController): Promise<void> {
  return new Promise((resolve, reject) => {
    ends.input.next(RECV_MAX, (error, chunk) => {
      if (error !== null) {
        ends.end();
        return reject(error);
      }
      if (chunk === undefined || chunk.length === 0) {
        controller.close();
        controller.byobRequest?.respond(0);
        ends.end();
      } else {
        controller.enqueue(new Uint8Array(chunk));
      }
      resolve();
    });
  });
}

function writableOf(ends: Ends): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    write: (chunk) => write(ends, chunk),
    close: () => {
      ends.socket.shutdown('send');
      ends.end();
    },
    abort: () => ends.reset(),
  });
}

function write(ends: Ends, chunk: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    ends.output.send([bytesOf(chunk)], (error) => {
      if (error === null) return resolve();
      ends.end();
      reject(error);
    });
  });
}

function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  if (!ArrayBuffer.isView(chunk)) throw wrongType('chunk', 'bytes', chunk);
  return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
