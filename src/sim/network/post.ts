/** Carries datagrams from a host to those that they are meant for: one, everybody, or a group. */
import type { SimCore } from '../core.ts';
import { sample } from '../trace-hash.ts';
import type { IpEndpoint } from './addresses.ts';
import {
  canonical,
  endpointText,
  isBroadcast,
  isLoopback,
  isMapped,
  isMulticast,
  isOnNetwork,
  isWildcard,
  loopbackOf,
  mapped,
  withoutWildcard,
} from './addresses.ts';
import type { SimDatagram } from './datagram.ts';
import { hears, servesBoth } from './datagram-ports.ts';
import type { ErrorCode } from './errors.ts';
import { isLoopbackInterface } from './groups.ts';
import type { Station, Stations } from './network.ts';

/** A datagram under way. */
interface Packet {
  readonly sender: SimDatagram;
  /** The name of its host. */
  readonly home: string;
  readonly bytes: Buffer;
  readonly from: IpEndpoint;
  readonly to: IpEndpoint;
}

export class Post {
  readonly #core: SimCore;
  readonly #stations: Stations;
  readonly #home: Station;

  constructor(stations: Stations, home: Station) {
    this.#core = stations.core;
    this.#stations = stations;
    this.#home = home;
  }

  /** When the bytes leave, or why they cannot. */
  send(sender: SimDatagram, bytes: Buffer, target: IpEndpoint): number | ErrorCode {
    const to = withoutWildcard(canonical(target));
    const many = isBroadcast(to.host) || isMulticast(to.host);
    const within = isLoopback(to.host) || (many && isLoopbackInterface(sender.multicastBy));
    const problem = this.problemWith(sender, target);
    if (problem !== null) return problem;
    if (isBroadcast(to.host) && !sender.broadcast) return 'EACCES';
    const from = this.#sourceOf(sender, to, within);
    if (from === null) return 'EINVAL';
    const packet = { sender, bytes, from, to, home: this.#home.name };
    return many ? this.#sendToMany(packet, within) : this.#sendToOne(packet);
  }

  /** Why no way leads from the socket to `target`. */
  problemWith({ local, options }: SimDatagram, target: IpEndpoint): ErrorCode | null {
    if (local.family === 4 && target.family === 6) return 'EAFNOSUPPORT';
    if (isMapped(target.host) && options.ipv6Only === true) return 'ENETUNREACH';
    const { host } = withoutWildcard(canonical(target));
    const leads = isLoopback(host) || isOnNetwork(host) || isBroadcast(host) || isMulticast(host);
    return leads ? null : 'ENETUNREACH';
  }

  /** A socket of the loopback reaches nobody else: Linux says EINVAL. */
  #sourceOf(sender: SimDatagram, to: IpEndpoint, within: boolean): IpEndpoint | null {
    const { host, port } = canonical(sender.local);
    const { family } = to;
    if (!isWildcard(host)) {
      const own = isLoopback(to.host) || within || this.#stations.stationAt(to.host) === this.#home;
      return isLoopback(host) && !own ? null : { host, port, family };
    }
    if (isLoopback(to.host)) return { host: loopbackOf(to), port, family };
    return { host: family === 4 ? this.#home.v4 : this.#home.v6, port, family };
  }

  #sendToOne(packet: Packet): number {
    const { to } = packet;
    const station = isLoopback(to.host) ? this.#home : this.#stations.stationAt(to.host);
    if (station !== undefined) return this.#carry(packet, station, () => deliver(packet, station));
    this.#core.trace('drop', this.#home.name, '', 0, () => `no host has ${to.host}`);
    return this.#core.now;
  }

  /** A group of hops 0 and the broadcast of the loopback stay on the host. */
  #sendToMany(packet: Packet, within: boolean): number {
    const { sender, to } = packet;
    const group = isMulticast(to.host);
    const stays = within || (group && sender.multicastTtl === 0);
    let leaves = this.#core.now;
    for (const station of this.#stations.all()) {
      const isHome = station === this.#home;
      if (isHome ? group && !sender.multicastLoopback : stays) continue;
      const arrive = (): void => deliverToMany(packet, station, within);
      leaves = Math.max(leaves, this.#carry(packet, station, arrive));
    }
    return leaves;
  }

  /** To the host itself at once, as a system does it. */
  #carry({ bytes, to }: Packet, station: Station, arrive: () => void): number {
    const { path } = this.#stations.waysBetween(this.#home, station);
    this.#core.trace('send', path.from, path.to, sample(bytes), () => {
      return `a datagram of ${bytes.length} bytes to ${endpointText(to)}`;
    });
    if (path.from !== path.to) return path.carryDatagram(bytes.length, arrive);
    arrive();
    return this.#core.now;
  }
}

function deliver(packet: Packet, station: Station): void {
  const { network } = station;
  const receiver = network.datagramPorts.receiverOf(packet.to, packet.from);
  if (receiver === undefined) refuse(packet, station);
  else hand(packet, receiver, station);
}

/** "Port unreachable" (RFC 1122, 4.1.3.1). Only who has connected to the address is told. */
function refuse({ sender, from, to }: Packet, { network }: Station): void {
  const back = network.wayBackTo(from);
  const tell = (): void => sender.refused(to);
  if (sender.remote === undefined || back === undefined) return;
  network.core.trace('refuse', back.from, back.to, to.port, () => 'nobody is at the port');
  if (back.from === back.to) tell();
  else back.carry(0, tell);
}

function deliverToMany(packet: Packet, station: Station, within: boolean): void {
  const { groups, datagramPorts } = station.network;
  const { to, from } = packet;
  const receivers = isMulticast(to.host)
    ? groups.membersOf(to.host, within).filter((each) => isMeant(each, packet))
    : datagramPorts.hearersAt(to, from);
  for (const receiver of receivers) hand(packet, receiver, station);
}

function isMeant(socket: SimDatagram, { to, from }: Packet): boolean {
  const { host, port } = socket.local;
  return port === to.port && (isWildcard(host) || host === to.host) && hears(socket, from);
}

function hand({ bytes, from, to, home }: Packet, receiver: SimDatagram, at: Station): void {
  const text = (): string => `a datagram of ${bytes.length} bytes`;
  at.network.core.trace('deliver', home, at.name, bytes.length, text);
  receiver.receives(bytes, to.family === 4 && servesBoth(receiver) ? mapped(from) : from);
}
