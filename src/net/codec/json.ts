/** A codec for values in JSON, in the messages of another codec. */
import type { Operation } from '../../kernel/operation.ts';
import { wrongType } from '../../support/checks.ts';
import type { Framing, ReadOperation } from '../buffered/read-operation.ts';
import type { Reader } from '../buffered/reader.ts';
import type { ReaderBuffer } from '../buffered/reader-buffer.ts';
import type { Writer } from '../buffered/writer.ts';
import type { Codec, Encoder, Payload } from './codec.ts';
import { FramedCodec, MalformedMessageError } from './codec.ts';

/** Unlike `toString`, rejects invalid UTF-8 (RFC 8259, section 8.1). */
const utf8: InstanceType<typeof TextDecoder> = new TextDecoder('utf-8', {
  fatal: true,
  ignoreBOM: true,
});

/**
 * JSON values (RFC 8259) in the messages of `codec`, for example one value per line. `null` is not
 * a message, because `receive` returns it at end of file.
 * Errors of a receive: those of `codec`, and ERR_MALFORMED_MESSAGE for a text that is not JSON, for
 * `null`, and for invalid UTF-8: `recoverable`, so the next receive returns the next message. In
 * `lines` and other codecs of text, invalid UTF-8 has been replaced by U+FFFD instead.
 * Errors of a send: those of `codec`, and a TypeError for a value that JSON cannot represent.
 *
 * @example
 * const events = messages(socket, json(lines({ max: 65536 })));
 * yield* events.send({ type: 'login', user: 7 });
 */
export function json<T = unknown>(codec: Codec<string | Uint8Array, string>): Codec<T> {
  if (codec instanceof FramedCodec) return framedJson<T>(codec);
  return {
    ...(codec.max === undefined ? {} : { max: codec.max }),
    *decode(reader: Reader): Operation<T | null> {
      const text = yield* codec.decode(reader);
      return text === null ? null : parse<T>(text);
    },
    encode: (value) => codec.encode(stringify(value)),
  };
}

function framedJson<T>(inner: FramedCodec<string | Uint8Array, string>): Codec<T> {
  const framing = (): Framing<T | null> => new JsonFraming<T>(inner.framing());
  return new FramedCodec<T, T>(inner.max, new JsonEncoder(inner.encoder), framing);
}

class JsonEncoder implements Encoder<unknown> {
  readonly #inner: Encoder<string>;

  constructor(inner: Encoder<string>) {
    this.#inner = inner;
  }

  payloadOf(value: unknown): Payload {
    return this.#inner.payloadOf(stringify(value));
  }

  payloadsOf(values: readonly unknown[]): readonly Payload[] {
    return this.#inner.payloadsOf(values.map(stringify));
  }

  writeTo(writer: Writer, payload: Payload): boolean {
    return this.#inner.writeTo(writer, payload);
  }

  encodeAll(payloads: readonly Payload[]): Uint8Array | readonly Uint8Array[] {
    return this.#inner.encodeAll(payloads);
  }
}

class JsonFraming<T> implements Framing<T | null> {
  readonly #inner: Framing<string | Uint8Array | null>;

  constructor(inner: Framing<string | Uint8Array | null>) {
    this.#inner = inner;
  }

  get call(): string {
    return this.#inner.call;
  }

  maxNeeded(read: ReadOperation): number {
    return this.#inner.maxNeeded(read);
  }

  take(buffer: ReaderBuffer, read: ReadOperation): T | undefined {
    const text = this.#inner.take(buffer, read);
    return text === undefined || text === null ? undefined : parse<T>(text);
  }

  atEndOfFile(buffer: ReaderBuffer, read: ReadOperation): T | null {
    const text = this.#inner.atEndOfFile(buffer, read);
    return text === null ? null : parse<T>(text);
  }
}

function parse<T>(message: string | Uint8Array): T {
  let value: unknown;
  try {
    value = JSON.parse(typeof message === 'string' ? message : utf8.decode(message));
  } catch (cause) {
    throw malformed(cause);
  }
  if (value === null) throw malformed(new SyntaxError('`null` is not a message'));
  return value as T;
}

function malformed(cause: unknown): MalformedMessageError {
  const text = `Expected a message in JSON: ${(cause as Error).message}`;
  return new MalformedMessageError(text, { recoverable: true, cause });
}

function stringify(value: unknown): string {
  const text: string | undefined = value === null ? undefined : JSON.stringify(value);
  if (text === undefined || text === 'null') {
    throw wrongType('value', 'a value that JSON can represent, other than null', value);
  }
  return text;
}
