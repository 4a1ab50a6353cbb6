/**
 * The open connections of a server, the oldest first, as a doubly linked list.
 *
 * A Set moves its entries to a new table after some tens of changes, and the old table refers to
 * the new one and to the connections of that moment. Once one table is in old memory, the collector
 * keeps all later ones, and nearly every connection, until the next full collection. For the same
 * reason a connection that is removed refers to no other.
 */
import type { Connection } from './connection.ts';

export class ConnectionList implements Iterable<Connection> {
  #first: Connection | null = null;
  #last: Connection | null = null;
  #size = 0;
  /** The connection that `nextInSweep` has returned last; null: none. */
  #swept: Connection | null = null;

  get size(): number {
    return this.#size;
  }

  /** `connection` is in no list. */
  add(connection: Connection): void {
    connection.older = this.#last;
    if (this.#last === null) this.#first = connection;
    else this.#last.newer = connection;
    this.#last = connection;
    this.#size++;
  }

  /** `connection` is in this list. */
  delete(connection: Connection): void {
    const { older, newer } = connection;
    if (this.#swept === connection) this.#swept = older;
    if (older === null) this.#first = newer;
    else older.newer = newer;
    if (newer === null) this.#last = older;
    else newer.older = older;
    connection.older = null;
    connection.newer = null;
    this.#size--;
  }

  /** Starts over at the oldest connection. */
  beginSweep(): void {
    this.#swept = null;
  }

  /** The next connection of the sweep, also after changes of the list; null: it is complete. */
  nextInSweep(): Connection | null {
    const next = this.#swept === null ? this.#first : this.#swept.newer;
    if (next !== null) this.#swept = next;
    return next;
  }

  /** The list must not change during the iteration. */
  *[Symbol.iterator](): Generator<Connection, void> {
    for (let at = this.#first; at !== null; at = at.newer) yield at;
  }
}
