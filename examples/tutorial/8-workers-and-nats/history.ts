// The last ten lines of each room, for the thousand rooms that were used last.

export class History {
  /** By room, in the order of use. The arrays are never changed. */
  readonly #rooms = new Map<string, readonly string[]>();

  of(room: string): readonly string[] {
    return this.#rooms.get(room) ?? [];
  }

  add(room: string, line: string): void {
    const lines = [...this.of(room), line].slice(-10);
    this.#rooms.delete(room);
    this.#rooms.set(room, lines);
    const [oldest = ''] = this.#rooms.keys();
    if (this.#rooms.size > 1000) this.#rooms.delete(oldest);
  }

  rooms(): readonly string[] {
    return [...this.#rooms.keys()];
  }
}
