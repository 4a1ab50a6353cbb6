/** The choices of the user: keys change the selected row, the order and the expanded tasks. */
import type { InspectSnapshot } from '../../inspect/snapshot.ts';
import type { SortKey } from './screen.ts';
import { rowsOf } from './screen.ts';

const SORT_KEYS: Readonly<Record<string, SortKey>> = {
  t: 'tree',
  c: 'count',
  w: 'waiting',
  r: 'run',
  n: 'name',
};

/** Tasks that are expanded at the same time. */
const MAX_EXPANDED = 64;

export class Session {
  sort: SortKey = 'tree';
  selected = 0;
  showsSite = false;
  quits = false;
  /** The ids of the tasks whose children are shown one by one. */
  readonly expanded: Set<number> = new Set();

  /** Applies the keys in `input`, as a terminal sends them. */
  press(input: string, snapshot: InspectSnapshot | undefined): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of arrow keys
    for (const key of input.match(/\x1b\[[A-D]|[\s\S]/g) ?? []) this.#press(key, snapshot);
  }

  #press(key: string, snapshot: InspectSnapshot | undefined): void {
    if (key === 'q' || key === '\x03') this.quits = true;
    else if (key === 's') this.showsSite = !this.showsSite;
    else if (key in SORT_KEYS) this.sort = SORT_KEYS[key] as SortKey;
    if (snapshot === undefined) return;
    const rows = rowsOf(snapshot, this.sort);
    if (key === '\x1b[A' || key === 'k') this.selected--;
    if (key === '\x1b[B' || key === 'j') this.selected++;
    this.selected = Math.max(0, Math.min(this.selected, rows.length - 1));
    const row = rows[this.selected];
    if ((key === '\r' || key === '\n' || key === 'e') && row !== undefined) {
      this.#toggle(row.expands);
    }
  }

  #toggle(id: number): void {
    if (this.expanded.delete(id)) return;
    if (this.expanded.size < MAX_EXPANDED) this.expanded.add(id);
  }
}
