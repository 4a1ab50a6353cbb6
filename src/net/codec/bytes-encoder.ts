/** Encodes messages that are bytes, with a head before and a tail after them. */
import type { Writer } from '../buffered/writer.ts';
import { LARGE_PIECE } from '../buffered/writer.ts';
import { checkData } from '../bytes.ts';
import type { Encoder } from './codec.ts';
import { tooLong } from './codec.ts';

/** The bytes before the payload of a message. They depend on the length of the payload only. */
export interface Head {
  /** Their number. Throws if they cannot represent `length`. */
  size(length: number): number;
  /** Writes them into `memory`, from `at` on. */
  write(memory: Buffer, at: number, length: number): void;
}

export class BytesEncoder implements Encoder<Uint8Array | string, Uint8Array> {
  readonly #max: number;
  readonly #head: Head;
  readonly #tail: Uint8Array;

  constructor(max: number, head: Head, tail: Uint8Array) {
    this.#max = max;
    this.#head = head;
    this.#tail = tail;
  }

  payloadOf(value: Uint8Array | string): Uint8Array {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    checkData('value', bytes);
    if (bytes.length > this.#max) throw tooLong(bytes.length, this.#max);
    this.#head.size(bytes.length);
    return bytes;
  }

  payloadsOf(values: readonly (Uint8Array | string)[]): readonly Uint8Array[] {
    return values.map((value) => this.payloadOf(value));
  }

  writeTo(writer: Writer, payload: Uint8Array): boolean {
    const size = this.#sizeOf(payload);
    if (size >= LARGE_PIECE || !writer.hasRoom(size)) return false;
    writer.append(size, this, payload);
    return true;
  }

  encodeAll(payloads: readonly Uint8Array[]): Uint8Array | readonly Uint8Array[] {
    let size = 0;
    let largest = 0;
    for (const payload of payloads) {
      size += this.#sizeOf(payload);
      largest = Math.max(largest, payload.length);
    }
    if (largest >= LARGE_PIECE) return payloads.flatMap((payload) => this.#piecesOf(payload));
    const memory = Buffer.allocUnsafe(size);
    let at = 0;
    for (const payload of payloads) at = this.encodeInto(memory, at, payload);
    return memory;
  }

  /** Encodes a message into `memory`, from `at` on. Returns its end. */
  encodeInto(memory: Buffer, at: number, payload: Uint8Array): number {
    const { length } = payload;
    const from = at + this.#head.size(length);
    this.#head.write(memory, at, length);
    memory.set(payload, from);
    if (this.#tail.length > 0) memory.set(this.#tail, from + length);
    return from + length + this.#tail.length;
  }

  #sizeOf({ length }: Uint8Array): number {
    return this.#head.size(length) + length + this.#tail.length;
  }

  /** A large payload is not copied. */
  #piecesOf(payload: Uint8Array): Uint8Array[] {
    const { length } = payload;
    const head = Buffer.allocUnsafe(this.#head.size(length));
    this.#head.write(head, 0, length);
    const pieces = [head, payload, this.#tail].filter((piece) => piece.length > 0);
    return length < LARGE_PIECE ? [Buffer.concat(pieces)] : pieces;
  }
}
