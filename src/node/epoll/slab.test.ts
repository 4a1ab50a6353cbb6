import { describe, expect, it } from 'vitest';
import { COLLECT_BYTES, ReceivedMemory } from '../stream/young-garbage.ts';
import { SLAB_BYTES, Slabs } from './slab.ts';

/** Does what a receive of `length` bytes does, without the system call. */
function receive(slabs: Slabs, length: number, fill = 0): Buffer {
  const asked = slabs.reserve(SLAB_BYTES, length);
  expect(asked).toBeGreaterThanOrEqual(length);
  slabs.memory.fill(fill, slabs.offset, slabs.offset + length);
  return slabs.take(length);
}

describe('slabs', () => {
  it('holds no slab before the first receive and after drop', () => {
    const slabs = new Slabs();
    expect(slabs.held).toBe(0);
    slabs.reserve(1, 0);
    expect(slabs.held).toBe(1);
    slabs.drop();
    expect(slabs.held).toBe(0);
    expect(receive(slabs, 10)).toHaveLength(10);
  });

  it('returns slices of one slab, as Buffers, for small receives', () => {
    const slabs = new Slabs();
    const first = receive(slabs, 5);
    const second = receive(slabs, 5);
    expect(Buffer.isBuffer(first)).toBe(true);
    expect(second.buffer === first.buffer).toBe(true);
    expect(second.byteOffset).toBeGreaterThanOrEqual(first.byteOffset + 5);
    expect(second.toString('hex')).toBe('0000000000');
  });

  it('requests at most max bytes, and at most the rest of the slab', () => {
    const slabs = new Slabs();
    expect(slabs.reserve(10, 0)).toBe(10);
    expect(slabs.reserve(1 << 30, 0)).toBe(SLAB_BYTES);
    slabs.take(SLAB_BYTES - 8000);
    expect(slabs.reserve(1 << 30, 0)).toBe(8000);
  });

  it('allocates a new slab instead of offering a short rest', () => {
    const slabs = new Slabs();
    const first = receive(slabs, SLAB_BYTES - 8000);
    expect(slabs.reserve(SLAB_BYTES, 20_000)).toBe(SLAB_BYTES);
    expect(receive(slabs, 4096).buffer === first.buffer).toBe(false);
    const third = receive(slabs, SLAB_BYTES - 4096 - 100);
    expect(slabs.reserve(SLAB_BYTES, 0)).toBe(SLAB_BYTES);
    expect(slabs.memory.buffer === third.buffer).toBe(false);
  });

  it('offers each of four messages of 16 KB in a slab more memory than it needs', () => {
    const slabs = new Slabs();
    const offered = Array.from({ length: 4 }, () => {
      const length = slabs.reserve(65_536, 16_384);
      return { length, slab: slabs.take(16_384).buffer };
    });
    expect(Math.min(...offered.map(({ length }) => length))).toBeGreaterThan(16_384);
    expect(new Set(offered.map(({ slab }) => slab)).size).toBe(1);
  });

  it('uses the last bytes of a slab for a receive that requests no more', () => {
    const slabs = new Slabs();
    const first = receive(slabs, SLAB_BYTES - 16);
    expect(slabs.reserve(16, 0)).toBe(16);
    expect(slabs.take(16).buffer === first.buffer).toBe(true);
  });

  it('copies small messages while much memory is pinned', () => {
    const slabs = new Slabs();
    const pinned = Array.from({ length: 300 }, () => receive(slabs, SLAB_BYTES, 1));
    for (let i = 0; i < 20; i += 1) receive(slabs, SLAB_BYTES); // Memory use is checked rarely.
    const copies: Buffer[] = [];
    const small = receive(slabs, 100, 7);
    expect(small.buffer === slabs.memory.buffer).toBe(false);
    expect(small.equals(Buffer.alloc(100, 7))).toBe(true);
    for (let i = 0; i < 1000; i += 1) {
      const copy = receive(slabs, (i % 1000) + 1, i % 256);
      expect(copy.buffer.byteLength).toBeLessThan(SLAB_BYTES / 4);
      copies.push(copy);
    }
    for (const [i, copy] of copies.entries()) {
      expect(copy.equals(Buffer.alloc((i % 1000) + 1, i % 256))).toBe(true);
    }
    expect(receive(slabs, 2000).buffer === slabs.memory.buffer).toBe(true);
    expect(pinned.every((slice) => slice[0] === 1)).toBe(true);
  });

  it('keeps working after an attempt to detach its memory', () => {
    const slabs = new Slabs();
    receive(slabs, 10);
    tryToDetach(slabs.memory.buffer);
    expect(receive(slabs, 10, 3)).toEqual(Buffer.alloc(10, 3));
  });

  it('requests a collection of young garbage by the bytes of large messages only', () => {
    let requests = 0;
    const slabs = new Slabs(
      new ReceivedMemory(() => {
        requests++;
        return 0;
      }),
    );
    for (let bytes = 0; bytes <= 2 * COLLECT_BYTES; bytes += 1024) receive(slabs, 1024);
    expect(requests).toBe(0);
    for (let bytes = 0; bytes < 2 * COLLECT_BYTES; bytes += 16384) receive(slabs, 16384);
    expect(requests).toBe(2);
  });
});

/** Node 20 has no transfer(), Node 22 transfers, and Node 24 throws for untransferable memory. */
function tryToDetach(memory: ArrayBufferLike & { transfer?(): unknown }): void {
  try {
    memory.transfer?.();
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
  }
}
