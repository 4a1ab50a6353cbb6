/** Codecs: how messages are separated in a stream of bytes, and how they are encoded. */

import { CoronetError } from '../../kernel/errors.ts';
import type { Operation } from '../../kernel/operation.ts';
import { outOfRange } from '../../support/checks.ts';
import type { Framing } from '../buffered/read-operation.ts';
import type { Reader } from '../buffered/reader.ts';
import type { Writer } from '../buffered/writer.ts';

/** The limit of a codec that states none: 16 MB. */
export const DEFAULT_MAX_MESSAGE: number = 2 ** 24;

/**
 * How messages are read from a stream of bytes and written to it. A codec has no state of a
 * connection, so one value serves all of them. `T` is the type that is received, `S` the one that
 * is sent.
 *
 * @example
 * const pairs: Codec<[number, number]> = {
 *   *decode(reader) {
 *     const bytes = yield* reader.readExactly(8);
 *     return bytes && [bytes.readInt32BE(0), bytes.readInt32BE(4)];
 *   },
 *   encode([a, b]) {
 *     const bytes = Buffer.alloc(8);
 *     bytes.writeInt32BE(a, 0);
 *     bytes.writeInt32BE(b, 4);
 *     return bytes;
 *   },
 * };
 */
export interface Codec<T, S = T> {
  /** The maximum number of bytes from which `decode` may make one message; 16 MB. */
  readonly max?: number;
  /**
   * Reads one message; `null` at end of file before its first byte. It may wait for `reader` only.
   * If it is interrupted, or throws, the bytes that it has read are unread again, unless it throws
   * a MalformedMessageError with `recoverable`.
   */
  decode(reader: Reader): Operation<T | null>;
  /** The bytes of a message, in one piece or several. Throws if the value cannot be encoded. */
  encode(value: S): Uint8Array | readonly Uint8Array[];
}

/** The bytes of a message do not have the form that the codec requires. */
export class MalformedMessageError extends CoronetError {
  /** True: the message was removed from the stream, and the next receive returns the one after
   *  it. False: the position of the next message is not known, so the stream is unusable. */
  readonly recoverable: boolean;

  constructor(message: string, options: { readonly recoverable?: boolean; cause?: unknown } = {}) {
    super('ERR_MALFORMED_MESSAGE', message, options);
    this.recoverable = options.recoverable ?? false;
  }
}

/** The parts of a codec with which a Reader reads framed messages. */
export interface FramingSource<T> {
  /** The maximum number of bytes of a message. */
  readonly max: number;
  /** Creates the state of one connection. */
  framing(): Framing<T | null>;
}

/** A value that was checked and whose message is not made yet: bytes, text, or pieces. */
export type Payload = Uint8Array | string | readonly Uint8Array[];

/** The part of a codec with which Messages sends. */
export interface Encoder<S, P extends Payload = Payload> {
  /** Throws if the value cannot be encoded. */
  payloadOf(value: S): P;
  /** The payloads of several values, which may be joined. */
  payloadsOf(values: readonly S[]): readonly P[];
  /** Adds the message to `writer`, if it is small and there is room. False: it was not added. */
  writeTo(writer: Writer, payload: P): boolean;
  /** The bytes of several messages. */
  encodeAll(payloads: readonly P[]): Uint8Array | readonly Uint8Array[];
}

/** A codec whose messages a Framing finds in the buffer of a Reader. */
export class FramedCodec<T, S> implements Codec<T, S> {
  // Also a FramingSource. It is not named: `framing` is missing in the declaration file.

  readonly max: number;
  /** @internal */
  readonly encoder: Encoder<S>;
  /** Creates the state of one connection. @internal */
  readonly framing: () => Framing<T | null>;

  /** @internal */
  constructor(max: number, encoder: Encoder<S>, framing: () => Framing<T | null>) {
    this.max = max;
    this.encoder = encoder;
    this.framing = framing;
  }

  decode(reader: Reader): Operation<T | null> {
    return reader.readFramed(this);
  }

  encode(value: S): Uint8Array | readonly Uint8Array[] {
    const { encoder } = this;
    return encoder.encodeAll([encoder.payloadOf(value)]);
  }
}

/** The error for a message of `length` bytes that `encode` was given. */
export function tooLong(length: number, max: number): RangeError {
  return outOfRange('value', `at most ${max} bytes`, length);
}
