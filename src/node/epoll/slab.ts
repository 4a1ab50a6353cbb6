/**
 * Slabs: the memory that the epoll network receives into.
 *
 * A receive takes a slice from the front of what is left of the current slab, so an idle connection
 * owns no buffer, and a small message costs a view instead of an allocation.
 *
 * Invariants:
 *  1. Bytes that were handed out are never written again: the offset only grows. What keeps a slab
 *     alive, once it is no longer the current one, are its slices.
 *  2. The memory is made here, in JavaScript. External memory is not allowed everywhere (V8's
 *     sandbox), and where it is, making it costs fifty times as much as a view.
 */
import { getHeapStatistics } from 'node:v8';
import { markAsUntransferable } from 'node:worker_threads';

/** Length of a slab, and so the most that one receive takes. */
export const SLAB_BYTES: number = 65536;

/** A receive is offered at least this much, so that the rest of a slab does not chop messages.
 *  LEAST_ROOM of native/bytes.c. */
export const LEAST_ROOM: number = 4096;

/** A slice below this size pins at least 64 times as much as it holds. It is copied while more than
 *  so many slabs' worth of memory is alive. */
const SMALL_SLICE = SLAB_BYTES / 64;
const MANY_SLABS = 256;

/** Copies share memory of this size: one of them pins no more. The pool that `Buffer.from` shares
 *  is as large as a slab from Node 24 on. */
const COPIES_BYTES = 8192;

/** Whether many slabs are alive is asked each time that so many have been made. */
const ASK_EVERY = 16;

/**
 * The class of Buffer's own slices, which `Buffer[Symbol.species]` names. `subarray` constructs it
 * too, after checks that are not needed here: 50 ns instead of 20.
 */
type SliceConstructor = new (memory: ArrayBufferLike, offset: number, length: number) => Buffer;
const Slice = (Buffer as unknown as Record<symbol, SliceConstructor>)[
  Symbol.species
] as SliceConstructor;

const NO_MEMORY: Buffer = Buffer.alloc(0);

/** The slabs of one network. */
export class Slabs {
  /** The current slab. */
  memory: Buffer = NO_MEMORY;
  /** Where in it the next receive writes. */
  offset = 0;
  /** memory.buffer: its getter is slow enough to be seen. */
  #buffer: ArrayBufferLike = NO_MEMORY.buffer;
  /** Bytes left behind the offset. */
  #remaining = 0;
  /** Many slabs were alive when it was last asked. */
  #manyAlive = false;
  #made = 0;
  /** Where copies are made, and up to where it is full. */
  #copies: Buffer = NO_MEMORY;
  #copied = 0;

  /** Slabs that this network itself holds. */
  get held(): number {
    return this.memory === NO_MEMORY ? 0 : 1;
  }

  /**
   * Makes room for a receive of up to `max` bytes and says how many to ask for. `expected` is the
   * size of the connection's last receive: one that gets large messages is not offered the short
   * rest of a slab. A slab that somebody has detached through one of its slices is replaced.
   */
  reserve(max: number, expected: number): number {
    const wanted = Math.min(max, Math.max(expected, LEAST_ROOM));
    if (this.#remaining < wanted || this.memory.length !== SLAB_BYTES) this.#renew();
    return Math.min(max, this.#remaining);
  }

  /** The `length` bytes that were received at the offset. */
  take(length: number): Buffer {
    const slice = new Slice(this.#buffer, this.offset, length);
    if (length < SMALL_SLICE && this.#manyAlive) return this.#copyOf(slice);
    this.#advance(length);
    return slice;
  }

  /** Likewise, where more has been received behind them: the offset moves on in any case. */
  takeNext(length: number): Buffer {
    const slice = new Slice(this.#buffer, this.offset, length);
    this.#advance(length);
    return length < SMALL_SLICE && this.#manyAlive ? this.#copyOf(slice) : slice;
  }

  /** A part of what was received, to be handed out or kept by itself: light, as `take` has it. */
  partOf(data: Buffer, from: number, to: number): Buffer {
    const part = data.subarray(from, to);
    const isSlice = data.buffer.byteLength === SLAB_BYTES;
    return part.length < SMALL_SLICE && this.#manyAlive && isSlice ? this.#copyOf(part) : part;
  }

  #copyOf(slice: Buffer): Buffer {
    const { length } = slice;
    if (this.#copies.length - this.#copied < length) {
      this.#copies = Buffer.allocUnsafeSlow(COPIES_BYTES);
      markAsUntransferable(this.#copies.buffer);
      this.#copied = 0;
    }
    const copy = new Slice(this.#copies.buffer, this.#copied, length);
    copy.set(slice);
    this.#copied = (this.#copied + length + 7) & ~7;
    return copy;
  }

  /** To a multiple of 8, as the addon does it: faster copies, typed views possible. */
  #advance(length: number): void {
    this.offset = (this.offset + length + 7) & ~7;
    this.#remaining = SLAB_BYTES - this.offset;
  }

  /** Lets the current slab go. */
  drop(): void {
    this.memory = NO_MEMORY;
    this.#buffer = NO_MEMORY.buffer;
    this.#remaining = 0;
    this.#copies = NO_MEMORY;
    this.#copied = 0;
  }

  /** Not zeroed: every byte that is ever shown was received. */
  #renew(): void {
    this.memory = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#buffer = this.memory.buffer;
    markAsUntransferable(this.#buffer); // one slice posted away must not empty all the others
    this.offset = 0;
    this.#remaining = SLAB_BYTES;
    if (this.#made % ASK_EVERY === 0) this.#manyAlive = externalBytes() > MANY_SLABS * SLAB_BYTES;
    this.#made += 1;
  }
}

/**
 * All memory outside the heap, of which living slabs are a part: the bound errs on the side of
 * copying. To count slabs exactly takes a WeakRef or a FinalizationRegistry. Both keep their
 * targets alive until a full collection: every slab would outlive its slices, and a receive took
 * 60 ns longer.
 */
function externalBytes(): number {
  return getHeapStatistics().external_memory;
}
