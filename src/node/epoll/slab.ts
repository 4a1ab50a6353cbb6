/**
 * Slabs: the memory that the epoll network receives into.
 *
 * A receive takes a slice of the free part of the current slab. So an idle connection holds no
 * buffer, and a small message costs a view instead of an allocation.
 *
 * Invariants:
 *  1. Bytes that were returned are never overwritten: the offset only grows. The slices of a slab
 *     keep it alive when it is no longer the current one.
 *  2. JavaScript allocates the memory. External memory is not allowed in every build (V8 sandbox),
 *     and creating it costs fifty times as much as a view.
 */

import { Slice } from '../../support/slice.ts';
import { ReceivedMemory } from '../stream/young-garbage.ts';

/**
 * Length of a slab, and so the most bytes of one receive: four messages of 16 KB, and 512 bytes,
 * which have two effects. The receive of the fourth message is short too, which shows that no bytes
 * follow. And what malloc places after a slab does not begin 16 bytes after it in terms of
 * addresses modulo 4096: copies with such a distance take twenty times as long on processors whose
 * `rep movsb` compares only these bits (AMD Zen 3 and 4, bug 30994 of glibc). The write buffers of
 * OpenSSL often follow a slab.
 */
export const SLAB_BYTES: number = 4 * 16_384 + 512;

/** A receive is offered at least this much, so that the rest of a slab does not split messages. */
export const MIN_RECEIVE: number = 4096;

/**
 * A slice below this size pins at least 64 times its length. It is copied while more memory than
 * MANY_SLABS slabs is alive.
 */
const SMALL_SLICE = SLAB_BYTES / 64;
const MANY_SLABS = 256;

/**
 * Copies share memory of this size, so a copy pins no more than that. The pool that `Buffer.from`
 * shares is as large as a slab since Node 24.
 */
const COPIES_BYTES = 8192;

/** Memory use is checked once per this many slabs. */
const CHECK_EVERY = 16;

const NO_MEMORY: Buffer = Buffer.alloc(0);

/** The slabs of one network. */
export class Slabs {
  /** The current slab. */
  memory: Buffer = NO_MEMORY;
  /** The position in it where the next receive writes. */
  offset = 0;
  /** memory.buffer. Its getter is measurably slow. */
  #buffer: ArrayBufferLike = NO_MEMORY.buffer;
  /** Bytes after the offset. */
  #remaining = 0;
  /** Many slabs were alive at the last check. */
  #manyAlive = false;
  #made = 0;
  readonly #received: ReceivedMemory;
  /** The memory of the copies, and the number of used bytes in it. */
  #copies: Buffer = NO_MEMORY;
  #copied = 0;
  readonly #markAsUntransferable =
    process.getBuiltinModule('node:worker_threads').markAsUntransferable;

  constructor(received: ReceivedMemory = new ReceivedMemory()) {
    this.#received = received;
  }

  /** Slabs that this network itself holds. */
  get held(): number {
    return this.memory === NO_MEMORY ? 0 : 1;
  }

  /**
   * Reserves memory for a receive of up to `max` bytes and returns how many to request. `expected`
   * is the size of the connection's last receive: a connection with large messages is not offered
   * the short rest of a slab. A slab that was detached through one of its slices is replaced.
   */
  reserve(max: number, expected: number): number {
    const wanted = Math.min(max, Math.max(expected, MIN_RECEIVE));
    if (this.#remaining < wanted || this.memory.length !== SLAB_BYTES) this.#renew();
    return Math.min(max, this.#remaining);
  }

  /** Returns the `length` bytes that were received at the offset. */
  take(length: number): Buffer {
    const slice = new Slice(this.#buffer, this.offset, length);
    if (length < SMALL_SLICE && this.#manyAlive) return this.#copyOf(slice);
    this.#advance(length);
    this.#received.add(length);
    return slice;
  }

  /** As `take`, but more bytes were received after these: the offset advances in any case. */
  takeNext(length: number): Buffer {
    const slice = new Slice(this.#buffer, this.offset, length);
    this.#advance(length);
    return length < SMALL_SLICE && this.#manyAlive ? this.#copyOf(slice) : slice;
  }

  /**
   * Returns a part of received data. Small parts are copied under the same conditions as in `take`.
   */
  partOf(data: Buffer, from: number, to: number): Buffer {
    const part = data.subarray(from, to);
    const isSlice = data.buffer.byteLength === SLAB_BYTES;
    return part.length < SMALL_SLICE && this.#manyAlive && isSlice ? this.#copyOf(part) : part;
  }

  #copyOf(slice: Buffer): Buffer {
    const { length } = slice;
    if (this.#copies.length - this.#copied < length) {
      this.#copies = Buffer.allocUnsafeSlow(COPIES_BYTES);
      this.#markAsUntransferable(this.#copies.buffer);
      this.#copied = 0;
    }
    const copy = new Slice(this.#copies.buffer, this.#copied, length);
    copy.set(slice);
    this.#copied = (this.#copied + length + 7) & ~7;
    return copy;
  }

  /**
   * Advances to a multiple of 8, as the addon does: faster copies, and typed views are possible.
   */
  #advance(length: number): void {
    this.offset = (this.offset + length + 7) & ~7;
    this.#remaining = SLAB_BYTES - this.offset;
  }

  /** Releases the current slab. */
  drop(): void {
    this.memory = NO_MEMORY;
    this.#buffer = NO_MEMORY.buffer;
    this.#remaining = 0;
    this.#copies = NO_MEMORY;
    this.#copied = 0;
  }

  /** Not zeroed: only received bytes are ever returned. */
  #renew(): void {
    this.memory = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#buffer = this.memory.buffer;
    this.#markAsUntransferable(this.#buffer); // Transferring one slice must not detach the others.
    this.offset = 0;
    this.#remaining = SLAB_BYTES;
    if (this.#made % CHECK_EVERY === 0) this.#manyAlive = externalBytes() > MANY_SLABS * SLAB_BYTES;
    this.#made += 1;
  }
}

/**
 * All memory outside the heap, which includes living slabs: the estimate errs towards copying.
 * Exact counting requires WeakRef or FinalizationRegistry. Both keep their targets alive until a
 * full collection, so every slab would outlive its slices, and a receive took 60 ns longer.
 */
function externalBytes(): number {
  return process.getBuiltinModule('node:v8').getHeapStatistics().external_memory;
}
