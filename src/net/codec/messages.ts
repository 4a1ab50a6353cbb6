/** Messages: a connection that receives and sends whole messages. */
import type { Selectable } from '../../kernel/case.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { checkpoint } from '../../kernel/waits.ts';
import { checkKeys, checkOptionalBoolean, wrongType } from '../../support/checks.ts';
import type { Writer } from '../buffered/writer.ts';
import { LARGE_PIECE } from '../buffered/writer.ts';
import type { Socket } from '../tcp/socket.ts';
import type { Codec } from './codec.ts';
import { FramedCodec } from './codec.ts';
import { DecodeBatch, DecodeMessage } from './decode.ts';

/** Small pieces up to this size are joined before they are sent. */
const JOIN_BELOW = 65536;

/** Options of `messages`. */
export interface MessagesOptions {
  /**
   * True: a send of less than 4 KB leaves its message in `socket.writer({ autoFlush: true })`. The
   * messages that wait there leave in one send, before a task waits to receive from the socket,
   * once half of the writer's `highWaterMark` waits, and after the handler of `tcpServer` has
   * returned. Use it for loops that receive a request and send its response; before another long
   * wait, call `socket.writer().flush()`. Default: false, the network has taken a message when its
   * send returns.
   */
  readonly autoFlush?: boolean;
}

/**
 * The messages of a connection; created by `messages(socket, codec)`. It has no buffer of its own:
 * received bytes are in the socket's reader, and a send waits for the network or, with
 * `autoFlush`, leaves a small message in the socket's writer.
 *
 * One task may receive while another one sends. After ERR_LIMIT, ERR_UNEXPECTED_EOF or
 * ERR_MALFORMED_MESSAGE that is not `recoverable`, no further message can be received.
 */
export class Messages<T, S = T> implements Disposable {
  readonly socket: Socket;
  #codec: Codec<T, S>;
  /** Null without `autoFlush`. */
  readonly #writer: Writer | null;

  /** Created by `messages()`. @internal */
  constructor(socket: Socket, codec: Codec<T, S>, options: MessagesOptions) {
    this.socket = socket;
    this.#codec = checkCodec(codec);
    checkKeys('options', options, { autoFlush: true });
    checkOptionalBoolean('autoFlush', options.autoFlush);
    this.#writer = options.autoFlush === true ? socket.writer({ autoFlush: true }) : null;
  }

  /** The codec. Set another one to change a limit or the protocol from the next message on. */
  get codec(): Codec<T, S> {
    return this.#codec;
  }

  set codec(codec: Codec<T, S>) {
    this.#codec = checkCodec(codec);
  }

  /**
   * Receives a message; `null` at end of file. Can be a case of `select`.
   * Cancel: nothing was consumed; the next receive starts with the same message.
   * Errors: those of the codec; ERR_BUSY; and as `socket.recv`.
   */
  receive(): Selectable<T | null> {
    const reader = this.socket.reader();
    const codec = this.#codec;
    if (codec instanceof FramedCodec) return reader.readFramed(codec);
    return new DecodeMessage(this.socket, reader, codec);
  }

  /**
   * Receives all messages that have arrived, at least one and at most 1024. An empty array: end of
   * file. Can be a case of `select`. An error of a message after the first one is thrown by the
   * next receive.
   * A line that the program keeps may keep 8 KB of the batch in memory with it.
   * Cancel, Errors: as `receive`.
   */
  receiveBatch(): Selectable<readonly T[]> {
    const reader = this.socket.reader();
    const codec = this.#codec;
    if (codec instanceof FramedCodec) return reader.readFramedBatch(codec);
    return new DecodeBatch(this.socket, reader, codec);
  }

  /**
   * Sends a message. Waits until the network has taken all of it; with `autoFlush`, a message of
   * less than 4 KB waits only until the writer has room for it.
   * Cancel: as `socket.sendAll`. Errors: those of the codec, thrown at once; and as
   * `socket.sendAll`.
   */
  send(value: S): Operation<void> {
    return this.#sendPieces(piecesOf(this.#codec.encode(value)));
  }

  /**
   * Sends several messages in one operation, with few system calls. If one of them cannot be
   * encoded, none is sent.
   * Cancel, Errors: as `send`.
   */
  sendBatch(values: Iterable<S>): Operation<void> {
    const codec = this.#codec;
    if (codec instanceof FramedCodec && codec.encodeAll !== undefined) {
      return this.#sendPieces([codec.encodeAll([...values])]);
    }
    const pieces: Uint8Array[] = [];
    for (const value of values) pieces.push(...piecesOf(codec.encode(value)));
    return this.#sendPieces(pieces);
  }

  /** Closes the socket. Idempotent. */
  close(): void {
    this.socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #sendPieces(pieces: readonly Uint8Array[]): Operation<void> {
    const writer = this.#writer;
    if (writer === null) return this.#sendNow(pieces);
    return new Lazy(() => this.#writePieces(writer, pieces));
  }

  *#writePieces(writer: Writer, pieces: readonly Uint8Array[]): Generator<Wait, void> {
    yield* checkpoint();
    const length = lengthOf(pieces);
    while (!writer.hasRoom(length) && writer.buffered > 0) yield* writer.flush();
    // A large message is sent at once: joining it with others would save little.
    if (length < LARGE_PIECE && writer.hasRoom(length)) {
      for (const piece of pieces) writer.write(piece);
    } else {
      while (writer.buffered > 0) yield* writer.flush();
      yield* this.#sendNow(pieces);
    }
  }

  #sendNow(pieces: readonly Uint8Array[]): Operation<void> {
    if (pieces.length === 1) return this.socket.sendAll(pieces[0] as Uint8Array);
    const length = lengthOf(pieces);
    return length < JOIN_BELOW
      ? this.socket.sendAll(Buffer.concat(pieces, length))
      : this.socket.sendv(pieces);
  }
}

/**
 * The messages of `socket`, as `codec` separates and encodes them.
 * Errors: TypeError if `codec` is not a codec, or for invalid options.
 *
 * @example
 * function* handler(socket: Socket): Operation<void> {
 *   const requests = messages(socket, json(lines({ max: 65536 })));
 *   for (;;) {
 *     const request = yield* requests.receive();
 *     if (request === null) return;
 *     yield* requests.send({ ok: true, request });
 *   }
 * }
 */
export function messages<T, S = T>(
  socket: Socket,
  codec: Codec<T, S>,
  options: MessagesOptions = {},
): Messages<T, S> {
  return new Messages(socket, codec, options);
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  return length;
}

function checkCodec<T, S>(codec: Codec<T, S>): Codec<T, S> {
  const { decode, encode } = (codec ?? {}) as Partial<Codec<T, S>>;
  if (typeof decode === 'function' && typeof encode === 'function') return codec;
  throw wrongType('codec', 'a codec, such as lines({ max: 1000 })', codec);
}

function piecesOf(encoded: Uint8Array | readonly Uint8Array[]): readonly Uint8Array[] {
  const pieces = Array.isArray(encoded) ? encoded : [encoded];
  for (const piece of pieces) {
    if (!(piece instanceof Uint8Array))
      throw wrongType('encode()', 'bytes, or an array of them', encoded);
  }
  return pieces;
}
