/**
 * The network of a simulated world: its hosts and the links between them. All hosts are on the same
 * network and reach each other unless a link is cut.
 *
 * The programs of a host use it through a `SimHostNetwork` (network.ts). A crash ends that object,
 * and a restart creates a new one. The addresses and files of the host stay.
 */
import type { LinkParameters, SimCore } from '../core.ts';
import { addressesOf } from './addresses.ts';
import { NetworkLink } from './link.ts';
import { SimHostNetwork } from './network.ts';
import { SocketFiles } from './socket-files.ts';
import type { LinkPair } from './stream/connection.ts';

/** A host, as the other hosts reach it. */
export interface NetworkInterface {
  readonly name: string;
  readonly v4: string;
  readonly v6: string;
  readonly files: SocketFiles;
  /** The network of its current process. After a crash it is closed, until a restart. */
  network: SimHostNetwork;
}

export class SimulatedNetwork {
  readonly core: SimCore;
  readonly #defaultLink: LinkParameters;
  readonly #byName = new Map<string, NetworkInterface>();
  /** The same for resolvers, which ignore case (RFC 4343). */
  readonly #byHostName = new Map<string, NetworkInterface>();
  readonly #byAddress = new Map<string, NetworkInterface>();
  /** By the names of both hosts, the sender first. */
  readonly #links = new Map<string, Map<string, NetworkLink>>();

  constructor(core: SimCore, defaults: { readonly link: LinkParameters }) {
    this.core = core;
    this.#defaultLink = defaults.link;
  }

  // ---- hosts ----

  /** Host N, in order of creation, has the addresses 10.0.0.N and fd00::N. */
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
   * Ends the process of the host. Its system resets the connections: the peers are notified after
   * the latency of the link, unless the link is cut. No task of the host is woken.
   */
  crash(name: string): void {
    const iface = this.#interfaceOf(name);
    iface.network.crash();
    iface.files.crash();
    this.core.trace('crash', name, '', 0, () => 'connections are reset');
  }

  /** Creates the network of a new process. */
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

  // ---- links ----

  /** Drops everything that `from` sends to `to`. */
  partition(from: string, to: string): void {
    this.#linkBetween(from, to).cut = true;
    this.core.trace('partition', from, to, 0, () => 'messages are dropped');
  }

  /** Ends a partition. Streams retransmit what they have lost. */
  heal(from: string, to: string): void {
    this.#linkBetween(from, to).cut = false;
    this.core.trace('heal', from, to, 0, () => '');
  }

  /** Delays everything between the two hosts, in both directions, until `release`. */
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

  /** Sets how messages travel from `from` to `to` from now on. */
  setLink(from: string, to: string, link: LinkParameters): void {
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
