// Sizes that all runtimes share.

/** Tasks that are alive at a time where many are spawned, or cancelled, in turn. */
export const BATCH = 100;

/** A limit that is never reached. */
export const HOUR_MS = 3_600_000;

const CHILDREN = 10;

/** `size` nodes as up to ten subtrees: the sizes of these. */
export function fan(size) {
  const count = Math.min(CHILDREN, size);
  return Array.from({ length: count }, (_, i) => Math.ceil((size - i) / count));
}
