/** The hints "did you mean". */

/** Returns the word with the smallest edit distance; `undefined` if none is close. */
export function nearest(typed: string, words: readonly string[]): string | undefined {
  let best: string | undefined;
  let limit = Math.max(2, Math.floor(typed.length / 3)) + 1;
  for (const word of words) {
    const edits = editDistance(typed, word);
    if (edits >= limit) continue;
    limit = edits;
    best = word;
  }
  return best;
}

/** The Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
