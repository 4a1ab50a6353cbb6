/**
 * The class that Buffer uses for slices. `buffer.subarray` also constructs it, after conversions
 * and checks of its arguments, and reads `buffer.buffer`, whose getter is slow: 100 ns instead of
 * 40. For positions that are known to be valid, in memory whose ArrayBuffer is known.
 */
type SliceConstructor = new (memory: ArrayBufferLike, offset: number, length: number) => Buffer;
export const Slice: SliceConstructor = (Buffer as unknown as Record<symbol, SliceConstructor>)[
  Symbol.species
] as SliceConstructor;
