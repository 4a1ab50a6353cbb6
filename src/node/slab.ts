/**
 * Slabs: the memory that the epoll network receives into.
 *
 * A receive takes a slice from the front of what is left of the current slab, so an idle connection
 * owns no buffer and a small message costs a view, not an allocation.
 *
 * Invariants:
 *  1. Bytes that were handed out are never written again. The offset only grows.
 *  2. The addon writes into the current slab only, and refers to it as long as it is current. After
 *     that the slices alone keep it alive.
 *  3. The memory is made here, in JavaScript: external memory is not allowed everywhere (V8's
 *     sandbox), and where it is, making it costs fifty times as much as a view.
 */
import { getHeapStatistics } from 'node:v8';
import { markAsUntransferable } from 'node:worker_threads';
import type { Addon } from './addon.ts';
import { systemError } from './system-error.ts';

/** Length of a slab, and so the most that one receive takes. */
export const SLAB_BYTES: number = 65536;

/** A receive is offered at least this much, so that little reads do not chop large messages. */
const LEAST_ROOM = 4096;

/** A slice below this size pins at least 64 times as much as it holds. It is copied while more than
 *  so many slabs' worth of memory is alive. */
const SMALL_SLICE = SLAB_BYTES / 64;
const MANY_SLABS = 256;

/**
 * The class of Buffer's own slices, which `Buffer[Symbol.species]` names. `subarray` constructs it
 * too, after checks that are not needed here: 50 ns instead of 20.
 */
type SliceConstructor = new (memory: ArrayBuffer, offset: number, length: number) => Buffer;
const Slice = (Buffer as unknown as Record<symbol, SliceConstructor>)[
  Symbol.species
] as SliceConstructor;

/** The slabs of one network. */
export class Slabs {
  /** Where the next receive writes. */
  offset = 0;
  readonly #addon: Addon;
  readonly #poller: number;
  #memory: ArrayBuffer | undefined;
  /** Bytes left in the current slab; 0 before the first one. */
  #room = 0;
  /** Many slabs were alive when the current one was made. */
  #crowded = false;

  constructor(addon: Addon, poller: number) {
    this.#addon = addon;
    this.#poller = poller;
  }

  /** Slabs that this network itself holds. */
  get held(): number {
    return this.#memory === undefined ? 0 : 1;
  }

  /**
   * Makes room for a receive of up to `max` bytes and says how many to ask for. `expected` is the
   * size of the connection's last receive: one that gets large messages is not offered the short
   * rest of a slab.
   */
  reserve(max: number, expected: number): number {
    const wanted = Math.min(max, Math.max(expected, LEAST_ROOM));
    if (this.#room < wanted || this.#memory?.byteLength !== SLAB_BYTES) this.#renew();
    return Math.min(max, this.#room);
  }

  /** The `length` bytes that were received at the offset. */
  take(length: number): Buffer {
    const slice = new Slice(this.#memory as ArrayBuffer, this.offset, length);
    if (length < SMALL_SLICE && this.#crowded) return Buffer.from(slice);
    const next = (this.offset + length + 7) & ~7; // aligned: faster copies, typed views possible
    this.#room = SLAB_BYTES - next;
    this.offset = next;
    return slice;
  }

  /** Lets the current slab go; the addon does the same when its poller is destroyed. */
  drop(): void {
    this.#memory = undefined;
    this.#room = 0;
  }

  /** Not zeroed: every byte that is ever shown was received. */
  #renew(): void {
    const memory = Buffer.allocUnsafeSlow(SLAB_BYTES).buffer as ArrayBuffer;
    const error = this.#addon.useSlab(this.#poller, memory);
    if (error < 0) throw systemError(error, 'read');
    markAsUntransferable(memory); // posting one slice to a worker must not empty all the others
    this.#memory = memory;
    this.#room = SLAB_BYTES;
    this.offset = 0;
    this.#crowded = externalBytes() > MANY_SLABS * SLAB_BYTES;
  }
}

/**
 * All memory outside the heap, of which living slabs are a part: the bound errs on the side of
 * copying. To count slabs exactly takes a WeakRef or a FinalizationRegistry, and both keep their
 * targets alive until a full collection, so that every slab would outlive its slices.
 */
function externalBytes(): number {
  return getHeapStatistics().external_memory;
}
