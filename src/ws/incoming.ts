/**
 * Reads messages from the frames of a peer (RFC 6455, section 5).
 *
 * A frame is passed to the engine when all of its bytes are in the buffer of the reader, so an
 * interrupted receive has consumed nothing, and the bytes of a large message are joined once. It is
 * unmasked here, because the engine does so byte by byte. The engine still checks that the frames
 * of a client are masked, and joins the fragments of a message. A frame whose announced length is
 * above the limit is passed without its payload, and the engine rejects it.
 */
import type { Framing, ReadOperation } from '../net/buffered/read-operation.ts';
import type { ReaderBuffer } from '../net/buffered/reader-buffer.ts';
import type { FramingSource } from '../net/codec/codec.ts';
import type { WebSocketReceiver } from '../world/websocket.ts';
import { applyMask, KEY_SIZE, keyAt } from './mask.ts';

/** The maximum size of a frame header: 2 bytes, a length of 8 bytes and a mask. */
const MAX_HEADER = 14;
const FIN = 0x80;
const MASKED = 0x80;
const OPCODES = 0x0f;
/** Opcodes from here on are control frames. */
const CONTROL = 8;

/** The part of a connection that its frames are read for. */
export interface FrameHandler {
  readonly receiver: WebSocketReceiver;
  /** The message of the last frame, which is taken by this call; `undefined`: it had none. */
  takeMessage(): string | Buffer | undefined;
  /** True: the peer has sent its close frame. */
  readonly peerClosed: boolean;
  /** No complete frame has arrived. */
  awaitsPeer(): void;
  /** Throws if the connection has failed. */
  check(): void;
  /** The peer violated the protocol. */
  fail(message: string, closeCode: number): never;
  /** The stream has ended without a close frame. */
  ended(): never;
}

export class IncomingFrames
  implements FramingSource<string | Buffer>, Framing<string | Buffer | null>
{
  readonly call = 'ws.receive()';
  readonly max: number;
  readonly #handler: FrameHandler;
  /** True: the message has several frames, and not all of them have arrived. */
  #fragmented = false;

  constructor(handler: FrameHandler, max: number) {
    this.#handler = handler;
    this.max = max;
  }

  framing(): this {
    return this;
  }

  maxNeeded({ max }: ReadOperation): number {
    return MAX_HEADER + max;
  }

  take(buffer: ReaderBuffer): string | Buffer | null | undefined {
    const handler = this.#handler;
    for (;;) {
      handler.check();
      if (handler.peerClosed) return null;
      const frame = this.#takeFrame(buffer);
      if (frame === undefined) {
        handler.awaitsPeer();
        return undefined;
      }
      const fault = handler.receiver.write(frame);
      if (fault !== null) handler.fail(fault.message, fault.closeCode);
      const message = handler.takeMessage();
      if (message !== undefined) return message;
    }
  }

  atEndOfFile(): null {
    this.#handler.check();
    if (this.#handler.peerClosed) return null;
    return this.#handler.ended();
  }

  /** The bytes of the next frame; `undefined`: it has not arrived completely. */
  #takeFrame(buffer: ReaderBuffer): Buffer | undefined {
    if (buffer.length < 2) return undefined;
    const first = buffer.byteAt(0);
    const second = buffer.byteAt(1);
    const short = second & 127;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const headerSize = 2 + lengthBytes;
    if (buffer.length < headerSize) return undefined;
    let length = lengthBytes === 0 ? short : 0;
    for (let i = 0; i < lengthBytes; i++) length = length * 256 + buffer.byteAt(2 + i);
    if (length > this.max) return buffer.take(headerSize);
    const isMasked = (second & MASKED) !== 0;
    const size = headerSize + (isMasked ? KEY_SIZE : 0) + length;
    if (buffer.length < size) return undefined;
    const frame = buffer.take(size);
    if (isMasked) unmask(frame, headerSize);
    if (!this.#isFragment(first)) return frame;
    // The engine keeps it until the message is complete: it must not keep a whole slab alive.
    return Buffer.from(frame);
  }

  #isFragment(first: number): boolean {
    if ((first & OPCODES) >= CONTROL) return false;
    const isFragment = this.#fragmented || (first & FIN) === 0;
    this.#fragmented = (first & FIN) === 0;
    return isFragment;
  }
}

/** Unmasks the payload of a frame, and sets its key at `at` to 0, which changes nothing. */
function unmask(frame: Buffer, at: number): void {
  applyMask(frame, at + KEY_SIZE, keyAt(frame, at));
  for (let i = 0; i < KEY_SIZE; i++) frame[at + i] = 0;
}
