/** The operations that send messages. */
import type { Frames, Operation, Wait } from '../../kernel/operation.ts';
import { PAUSE, Step } from '../../kernel/operation.ts';
import { mustPause } from '../../kernel/waits.ts';
import type { Writer } from '../buffered/writer.ts';
import { LARGE_PIECE } from '../buffered/writer.ts';
import { memoryChanged } from '../bytes.ts';
import type { Socket } from '../tcp/socket.ts';
import type { Encoder, Payload } from './codec.ts';

/** Encoded messages. */
export type Bytes = Uint8Array | readonly Uint8Array[];

const SENT: IteratorReturnResult<void> = { done: true, value: undefined };

/** `messages.send` with `autoFlush`: leaves a small message in the writer. */
export class WriteMessage<P extends Payload> extends Step<void> {
  private readonly socket: Socket;
  private readonly writer: Writer;
  private readonly encoder: Encoder<never, P>;
  private readonly payload: P;
  /** The length of the payload: another one means that its memory has changed. */
  private readonly length: number;
  private begun = false;
  /** The rest of the operation, if the message is large or the writer has no room. */
  private rest: Frames<void> | null = null;

  constructor(socket: Socket, writer: Writer, encoder: Encoder<never, P>, payload: P) {
    super();
    this.socket = socket;
    this.writer = writer;
    this.encoder = encoder;
    this.payload = payload;
    this.length = payload.length;
  }

  next(): IteratorResult<Wait, void> {
    if (this.rest !== null) return this.rest.next();
    if (!this.begun) {
      this.begun = true;
      if (mustPause()) return PAUSE;
    }
    const payload = this.payload;
    if (payload.length !== this.length) throw memoryChanged('value', payload);
    if (this.encoder.writeTo(this.writer, payload)) return SENT;
    this.rest = writeWhenPossible(this.socket, this.writer, this.encoder.encodeAll([payload]));
    return this.rest.next();
  }

  override throw(error: unknown): IteratorResult<Wait, void> {
    return this.rest?.throw?.(error) ?? super.throw(error);
  }

  override return(): IteratorResult<Wait, void> {
    return this.rest?.return?.() ?? super.return();
  }
}

/** Leaves small messages in the writer when it has room, and sends others after those that wait. */
export function* writeWhenPossible(
  socket: Socket,
  writer: Writer,
  bytes: Bytes,
): Generator<Wait, void> {
  const pieces = listOf(bytes);
  const length = lengthOf(pieces);
  while (!writer.hasRoom(length) && writer.buffered > 0) yield* writer.flush();
  // A large message is sent at once: joining it with others would save little.
  if (length < LARGE_PIECE && writer.hasRoom(length)) {
    for (const piece of pieces) writer.write(piece);
  } else {
    while (writer.buffered > 0) yield* writer.flush();
    yield* sendNow(socket, pieces);
  }
}

/** Sends messages without a writer. */
export function sendNow(socket: Socket, bytes: Bytes): Operation<void> {
  const pieces = listOf(bytes);
  if (pieces.length === 1) return socket.sendAll(pieces[0] as Uint8Array);
  const isLarge = pieces.some(({ length }) => length >= LARGE_PIECE);
  return isLarge ? socket.sendv(pieces) : socket.sendAll(Buffer.concat(pieces));
}

export function lengthOf(pieces: readonly Uint8Array[]): number {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  return length;
}

const listOf = (bytes: Bytes): readonly Uint8Array[] =>
  bytes instanceof Uint8Array ? [bytes] : bytes;
