// Sizes that all runtimes use.

/** The number of tasks at a time in cases that spawn or cancel many. */
export const BATCH = 100;

/** A time limit that does not expire. */
export const HOUR_MS = 3_600_000;

const CHILDREN = 10;

/** The sizes of up to ten subtrees with `size` nodes in total. */
export function fan(size) {
  const count = Math.min(CHILDREN, size);
  return Array.from({ length: count }, (_, i) => Math.ceil((size - i) / count));
}
