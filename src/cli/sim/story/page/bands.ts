/** Periods in which a host was cut off, held or not running: shaded in its column. */
import type { Row } from './rows.ts';

export interface Band {
  readonly host: number;
  readonly kind: 'cut' | 'hold' | 'down';
  readonly text: string;
  /** The rows of its begin and end; null: until the end of the run. */
  from: Row;
  to: Row | null;
}

export class Bands {
  readonly all: Band[] = [];
  readonly #open = new Map<string, Band>();
  /** Pairs of hosts "from to", by the kind of band. */
  readonly #pairs = { cut: new Set<string>(), hold: new Set<string>() };

  /** A world event has happened. */
  change(row: Row, event: { host: number; peer: number; names: readonly string[] }): void {
    const { host, peer, names } = event;
    const { mark } = row;
    if (mark === 'crash' || mark === 'exit') this.#begin(row, host, 'down', `${mark}ed`);
    else if (mark === 'start') this.#end(row, host, 'down');
    const pair = `${host} ${peer}`;
    if (mark === 'partition') this.#pairs.cut.add(pair);
    else if (mark === 'heal') this.#pairs.cut.delete(pair);
    else if (mark === 'hold') this.#pairs.hold.add(pair);
    else if (mark === 'release') this.#pairs.hold.delete(pair);
    else return;
    this.#update(row, mark === 'partition' || mark === 'heal' ? 'cut' : 'hold', names);
  }

  /** Bands that begin at `row` begin at `other` instead. */
  move(row: Row, other: Row): void {
    for (const band of this.all) if (band.from === row) band.from = other;
  }

  #update(row: Row, kind: 'cut' | 'hold', names: readonly string[]): void {
    const peers = peersOf(this.#pairs[kind]);
    for (const [host] of names.entries()) {
      const own = peers.get(host) ?? new Set<number>();
      // A host that is cut off from all others is shaded, not all the others.
      const isSide = [...own].some((peer) => own.size >= (peers.get(peer)?.size ?? 0));
      const list = [...own].map((peer) => names[peer] ?? '?');
      const others = names.length - 1;
      const from = own.size === others && others > 1 ? '' : `: ${list.join(', ')}`;
      const text = `${kind === 'cut' ? 'cut off' : 'held'}${from}`;
      const open = this.#open.get(`${kind} ${host}`);
      if (open?.text === text && isSide) continue;
      this.#end(row, host, kind);
      if (isSide) this.#begin(row, host, kind, text);
    }
  }

  #begin(row: Row, host: number, kind: Band['kind'], text: string): void {
    const band: Band = { host, kind, text, from: row, to: null };
    if (this.#open.has(`${kind} ${host}`)) return;
    this.#open.set(`${kind} ${host}`, band);
    this.all.push(band);
  }

  #end(row: Row, host: number, kind: Band['kind']): void {
    const band = this.#open.get(`${kind} ${host}`);
    if (band === undefined) return;
    this.#open.delete(`${kind} ${host}`);
    band.to = row;
    // Several pairs change at the same time: only the last state lasts.
    if (kind !== 'down' && band.from.at === row.at) this.all.splice(this.all.indexOf(band), 1);
  }
}

/** For each host the hosts that it has a pair with, in either direction. */
function peersOf(pairs: ReadonlySet<string>): Map<number, Set<number>> {
  const peers = new Map<number, Set<number>>();
  for (const pair of pairs) {
    const [a, b] = pair.split(' ').map(Number) as [number, number];
    peers.set(a, (peers.get(a) ?? new Set()).add(b));
    peers.set(b, (peers.get(b) ?? new Set()).add(a));
  }
  return peers;
}
