/**
 * The network of a simulated world: its hosts, and the links between them. Every host is on the same
 * network and can reach every other one, as long as the way is not cut.
 *
 * Each host's programs see it through a `SimHostNetwork` (host-network.ts). A crash ends that,
 * and a
 * restart makes a new one; what belongs to the machine (its addresses, its files) stays.
 */
import type { Link, NetworkModel, SimCore } from '../core.ts';
import { addressesOf } from './addresses.ts';
import { NetworkLink } from './link.ts';
import { SimHostNetwork } from './network.ts';
import { SocketFiles } from './socket-files.ts';
import type { LinkPair } from './stream/connection.ts';

/** A machine, as the others see it. */
export interface NetworkInterface {
  readonly name: string;
  readonly v4: string;
  readonly v6: string;
  readonly files: SocketFiles;
  /** What its programs use now. Between a crash and a restart nobody listens there. */
  network: SimHostNetwork;
}

/** What the network of one host sees of the world. */
export interface InterfaceTable {
  readonly core: SimCore;
  interfaceNamed(name: string): NetworkInterface | undefined;
  interfaceAt(address: string): NetworkInterface | undefined;
  all(): Iterable<NetworkInterface>;
  linksBetween(from: NetworkInterface, to: NetworkInterface): LinkPair;
}

export class SimulatedNetwork implements NetworkModel, InterfaceTable {
  readonly core: SimCore;
  readonly #defaultLink: Link;
  readonly #byName = new Map<string, NetworkInterface>();
  /** The same for resolvers, to which capitals are the same as small letters (RFC 4343). */
  readonly #byHostName = new Map<string, NetworkInterface>();
  readonly #byAddress = new Map<string, NetworkInterface>();
  /** By the names of both hosts. */
  readonly #links = new Map<string, Map<string, NetworkLink>>();

  constructor(core: SimCore, defaults: { readonly link: Link }) {
    this.core = core;
    this.#defaultLink = defaults.link;
  }

  // --------------------------------------------------------------------------------------- hosts

  /** Hosts have 10.0.0.1 and fd00::1, 10.0.0.2 and fd00::2, … in the order in which they come. */
  addHost(name: string): SimHostNetwork {
    const { v4, v6 } = addressesOf(this.#byName.size + 1);
    const files = new SocketFiles();
    const iface = { name, v4, v6, files } as NetworkInterface;
    iface.network = new SimHostNetwork(this, iface);
    this.#byName.set(name, iface);
    this.#byHostName.set(name.toLowerCase(), iface);
    this.#byAddress.set(v4, iface);
    this.#byAddress.set(v6, iface);
    return iface.network;
  }

  /**
   * The programs of the host are no more. Its system is, and resets their connections: the peers
   * hear of it after the latency of the link, unless the way is cut. Nobody is woken on the host.
   */
  crash(name: string): void {
    const iface = this.#interfaceOf(name);
    iface.network.crash();
    iface.files.crash();
    this.core.trace('crash', name, '', 0, () => 'connections are reset');
  }

  /** The network for the programs that begin anew. */
  restart(name: string): SimHostNetwork {
    const iface = this.#interfaceOf(name);
    iface.network.crash();
    iface.network = new SimHostNetwork(this, iface);
    return iface.network;
  }

  interfaceNamed(name: string): NetworkInterface | undefined {
    return this.#byHostName.get(name.toLowerCase());
  }

  interfaceAt(address: string): NetworkInterface | undefined {
    return this.#byAddress.get(address);
  }

  all(): Iterable<NetworkInterface> {
    return this.#byName.values();
  }

  #interfaceOf(name: string): NetworkInterface {
    return this.#byName.get(name) as NetworkInterface;
  }

  // ---------------------------------------------------------------------------------------- links

  /** Nothing arrives any more that `from` sends to `to`. The other direction is its own. */
  partition(from: string, to: string): void {
    this.#linkBetween(from, to).cut = true;
    this.core.trace('partition', from, to, 0, () => 'nothing arrives');
  }

  /** What is sent from now on arrives again. Streams send again what they have lost. */
  heal(from: string, to: string): void {
    this.#linkBetween(from, to).cut = false;
    this.core.trace('heal', from, to, 0, () => '');
  }

  /** What goes between `a` and `b`, either way, waits until `release`. Nothing is lost. */
  hold(a: string, b: string): void {
    this.#linkBetween(a, b).held = true;
    this.#linkBetween(b, a).held = true;
    this.core.trace('hold', a, b, 0, () => 'messages wait');
  }

  release(a: string, b: string): void {
    this.#linkBetween(a, b).release();
    this.#linkBetween(b, a).release();
    this.core.trace('release', a, b, 0, () => '');
  }

  /** How messages travel that leave `from` for `to` from now on. */
  setLink(from: string, to: string, link: Link): void {
    this.#linkBetween(from, to).parameters = link;
  }

  linksBetween(from: NetworkInterface, to: NetworkInterface): LinkPair {
    return {
      outbound: this.#linkBetween(from.name, to.name),
      inbound: this.#linkBetween(to.name, from.name),
    };
  }

  #linkBetween(from: string, to: string): NetworkLink {
    let links = this.#links.get(from);
    if (links === undefined) {
      links = new Map();
      this.#links.set(from, links);
    }
    let link = links.get(to);
    if (link === undefined) {
      link = new NetworkLink(this.core, from, to, this.#defaultLink);
      links.set(to, link);
    }
    return link;
  }
}
