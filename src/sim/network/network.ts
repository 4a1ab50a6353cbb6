/**
 * The network of a simulated world: its hosts, and the ways between them. Every host is on the same
 * network and can reach every other one, as long as the way is not cut.
 *
 * Each host's programs see it through a `SimNetwork` (host-network.ts). A crash ends that, and a
 * restart makes a new one; what belongs to the machine (its addresses, its files) stays.
 */
import type { Link, SimCore } from '../core.ts';
import type { Medium } from '../medium.ts';
import { addressesOf } from './addresses.ts';
import type { Ways } from './direction.ts';
import { SocketFiles } from './files.ts';
import { SimNetwork } from './host-network.ts';
import { Path } from './path.ts';

/** A machine, as the others see it. */
export interface Station {
  readonly name: string;
  readonly v4: string;
  readonly v6: string;
  readonly files: SocketFiles;
  /** What its programs use now. Between a crash and a restart nobody listens there. */
  network: SimNetwork;
}

/** What the network of one host sees of the world. */
export interface Stations {
  readonly core: SimCore;
  stationNamed(name: string): Station | undefined;
  stationAt(address: string): Station | undefined;
  all(): Iterable<Station>;
  waysBetween(from: Station, to: Station): Ways;
}

export class SimNet implements Medium, Stations {
  readonly core: SimCore;
  readonly #link: Link;
  readonly #byName = new Map<string, Station>();
  /** The same for resolvers, to which capitals are the same as small letters (RFC 4343). */
  readonly #byHostName = new Map<string, Station>();
  readonly #byAddress = new Map<string, Station>();
  /** By the names of both hosts. */
  readonly #paths = new Map<string, Map<string, Path>>();

  constructor(core: SimCore, defaults: { readonly link: Link }) {
    this.core = core;
    this.#link = defaults.link;
  }

  // --------------------------------------------------------------------------------------- hosts

  /** Hosts have 10.0.0.1 and fd00::1, 10.0.0.2 and fd00::2, … in the order in which they come. */
  addHost(name: string): SimNetwork {
    const { v4, v6 } = addressesOf(this.#byName.size + 1);
    const files = new SocketFiles();
    const station = { name, v4, v6, files } as Station;
    station.network = new SimNetwork(this, station);
    this.#byName.set(name, station);
    this.#byHostName.set(name.toLowerCase(), station);
    this.#byAddress.set(v4, station);
    this.#byAddress.set(v6, station);
    return station.network;
  }

  /**
   * The programs of the host are no more. Its system is, and resets their connections: the peers
   * hear of it after the latency of the link, unless the way is cut. Nobody is woken on the host.
   */
  crash(name: string): void {
    const station = this.#station(name);
    station.network.crash();
    station.files.crash();
    this.core.trace('crash', name, '', 0, () => 'connections are reset');
  }

  /** The network for the programs that begin anew. */
  restart(name: string): SimNetwork {
    const station = this.#station(name);
    station.network.crash();
    station.network = new SimNetwork(this, station);
    return station.network;
  }

  stationNamed(name: string): Station | undefined {
    return this.#byHostName.get(name.toLowerCase());
  }

  stationAt(address: string): Station | undefined {
    return this.#byAddress.get(address);
  }

  all(): Iterable<Station> {
    return this.#byName.values();
  }

  #station(name: string): Station {
    return this.#byName.get(name) as Station;
  }

  // ---------------------------------------------------------------------------------------- ways

  /** Nothing arrives any more that `from` sends to `to`. The other direction is its own. */
  partition(from: string, to: string): void {
    this.#path(from, to).cut = true;
    this.core.trace('partition', from, to, 0, () => 'nothing arrives');
  }

  /** What is sent from now on arrives again. Streams send again what they have lost. */
  heal(from: string, to: string): void {
    this.#path(from, to).cut = false;
    this.core.trace('heal', from, to, 0, () => '');
  }

  /** What goes between `a` and `b`, either way, waits until `release`. Nothing is lost. */
  hold(a: string, b: string): void {
    this.#path(a, b).held = true;
    this.#path(b, a).held = true;
    this.core.trace('hold', a, b, 0, () => 'messages wait');
  }

  release(a: string, b: string): void {
    this.#path(a, b).release();
    this.#path(b, a).release();
    this.core.trace('release', a, b, 0, () => '');
  }

  /** How messages travel that leave `from` for `to` from now on. */
  setLink(from: string, to: string, link: Link): void {
    this.#path(from, to).link = link;
  }

  waysBetween(from: Station, to: Station): Ways {
    return { path: this.#path(from.name, to.name), back: this.#path(to.name, from.name) };
  }

  #path(from: string, to: string): Path {
    let ways = this.#paths.get(from);
    if (ways === undefined) {
      ways = new Map();
      this.#paths.set(from, ways);
    }
    let path = ways.get(to);
    if (path === undefined) {
      path = new Path(this.core, from, to, this.#link);
      ways.set(to, path);
    }
    return path;
  }
}
