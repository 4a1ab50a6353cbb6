/** Messages: a connection that receives and sends whole messages. */
import type { Selectable } from '../../kernel/case.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { checkpoint } from '../../kernel/waits.ts';
import { checkKeys, checkOptionalBoolean, wrongType } from '../../support/checks.ts';
import type { Writer } from '../buffered/writer.ts';
import { LARGE_PIECE } from '../buffered/writer.ts';
import type { Socket } from '../tcp/socket.ts';
import type { Codec, Encoder } from './codec.ts';
import { FramedCodec } from './codec.ts';
import { DecodeBatch, DecodeMessage } from './decode.ts';
import type { Bytes } from './send-message.ts';
import { lengthOf, sendNow, WriteMessage, writeWhenPossible } from './send-message.ts';

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
  #encoder: Encoder<S>;
  /** Null without `autoFlush`. */
  readonly #writer: Writer | null;

  /** Created by `messages()`. @internal */
  constructor(socket: Socket, codec: Codec<T, S>, options: MessagesOptions) {
    this.socket = socket;
    this.#codec = checkCodec(codec);
    this.#encoder = encoderOf(codec);
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
    this.#encoder = encoderOf(codec);
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
   * less than 4 KB waits only until the writer has room for it. Do not change bytes in `value`
   * before it returns.
   * Cancel: as `socket.sendAll`. Errors: those of the codec, thrown at once; and as
   * `socket.sendAll`.
   */
  send(value: S): Operation<void> {
    const writer = this.#writer;
    const payload = this.#encoder.payloadOf(value);
    if (writer === null) return sendNow(this.socket, this.#encoder.encodeAll([payload]));
    return new WriteMessage(this.socket, writer, this.#encoder, payload);
  }

  /**
   * Sends several messages in one operation, with few system calls. If one of them cannot be
   * encoded, none is sent.
   * Cancel, Errors: as `send`.
   */
  sendBatch(values: Iterable<S>): Operation<void> {
    const encoder = this.#encoder;
    const bytes = encoder.encodeAll(encoder.payloadsOf([...values]));
    const { socket } = this;
    const writer = this.#writer;
    if (writer === null) return sendNow(socket, bytes);
    return new Lazy(() => writeBatch(socket, writer, bytes));
  }

  /** Closes the socket. Idempotent. */
  close(): void {
    this.socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
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

function* writeBatch(socket: Socket, writer: Writer, bytes: Bytes): Generator<Wait, void> {
  yield* checkpoint();
  yield* writeWhenPossible(socket, writer, bytes);
}

function checkCodec<T, S>(codec: Codec<T, S>): Codec<T, S> {
  const { decode, encode } = (codec ?? {}) as Partial<Codec<T, S>>;
  if (typeof decode === 'function' && typeof encode === 'function') return codec;
  throw wrongType('codec', 'a codec, such as lines({ max: 1000 })', codec);
}

/** Encodes with a program's own codec. */
class PiecesEncoder<S> implements Encoder<S, readonly Uint8Array[]> {
  readonly #codec: Codec<unknown, S>;

  constructor(codec: Codec<unknown, S>) {
    this.#codec = codec;
  }

  payloadOf(value: S): readonly Uint8Array[] {
    const encoded = this.#codec.encode(value);
    const pieces = Array.isArray(encoded) ? encoded : [encoded];
    for (const piece of pieces) {
      if (!(piece instanceof Uint8Array))
        throw wrongType('encode()', 'bytes, or an array of them', encoded);
    }
    return pieces;
  }

  payloadsOf(values: readonly S[]): readonly (readonly Uint8Array[])[] {
    return values.map((value) => this.payloadOf(value));
  }

  writeTo(writer: Writer, pieces: readonly Uint8Array[]): boolean {
    const length = lengthOf(pieces);
    if (length >= LARGE_PIECE || !writer.hasRoom(length)) return false;
    for (const piece of pieces) writer.write(piece);
    return true;
  }

  encodeAll(messages: readonly (readonly Uint8Array[])[]): readonly Uint8Array[] {
    return messages.flat();
  }
}

function encoderOf<T, S>(codec: Codec<T, S>): Encoder<S> {
  return codec instanceof FramedCodec ? codec.encoder : new PiecesEncoder(codec);
}
