/** Routes datagrams from one host to their receivers: unicast, broadcast, multicast. */
import type { SimCore } from '../../core.ts';
import { sample } from '../../report/trace-hash.ts';
import type { IpEndpoint } from '../addresses.ts';
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
} from '../addresses.ts';
import type { SimDatagram } from '../datagram.ts';
import type { ErrorCode } from '../errors.ts';
import type { NetworkInterface, SimulatedNetwork } from '../simulated-network.ts';
import { isLoopbackInterface } from './multicast.ts';
import { acceptsFrom, isDualStackSocket } from './ports.ts';

/** A datagram in flight. */
interface Packet {
  readonly sender: SimDatagram;
  /** The name of the sending host. */
  readonly home: string;
  readonly bytes: Buffer;
  readonly from: IpEndpoint;
  readonly to: IpEndpoint;
}

export class DatagramRouter {
  readonly #core: SimCore;
  readonly #interfaces: SimulatedNetwork;
  readonly #origin: NetworkInterface;

  constructor(interfaces: SimulatedNetwork, home: NetworkInterface) {
    this.#core = interfaces.core;
    this.#interfaces = interfaces;
    this.#origin = home;
  }

  /** Sends a datagram. Returns the time at which its bytes leave, or why they cannot. */
  send(sender: SimDatagram, bytes: Buffer, target: IpEndpoint): number | ErrorCode {
    const to = withoutWildcard(canonical(target));
    const many = isBroadcast(to.host) || isMulticast(to.host);
    const within = isLoopback(to.host) || (many && isLoopbackInterface(sender.multicastInterface));
    const problem = this.problemWith(sender, target);
    if (problem !== null) return problem;
    if (isBroadcast(to.host) && !sender.broadcast) return 'EACCES';
    const from = this.#sourceOf(sender, to, within);
    if (from === null) return 'EINVAL';
    const packet = { sender, bytes, from, to, home: this.#origin.name };
    return many ? this.#sendToMany(packet, within) : this.#sendToOne(packet);
  }

  /** Why the socket cannot reach `target`; null if it can. */
  problemWith({ local, options }: SimDatagram, target: IpEndpoint): ErrorCode | null {
    if (local.family === 4 && target.family === 6) return 'EAFNOSUPPORT';
    if (isMapped(target.host) && options.ipv6Only === true) return 'ENETUNREACH';
    const { host } = withoutWildcard(canonical(target));
    const isRouted =
      isLoopback(host) || isOnNetwork(host) || isBroadcast(host) || isMulticast(host);
    return isRouted ? null : 'ENETUNREACH';
  }

  /** A socket bound to the loopback reaches only its own host; otherwise Linux reports EINVAL. */
  #sourceOf(sender: SimDatagram, to: IpEndpoint, within: boolean): IpEndpoint | null {
    const { host, port } = canonical(sender.local);
    const { family } = to;
    if (!isWildcard(host)) {
      const own =
        isLoopback(to.host) || within || this.#interfaces.interfaceAt(to.host) === this.#origin;
      return isLoopback(host) && !own ? null : { host, port, family };
    }
    if (isLoopback(to.host)) return { host: loopbackOf(to), port, family };
    return { host: family === 4 ? this.#origin.v4 : this.#origin.v6, port, family };
  }

  #sendToOne(packet: Packet): number {
    const { to } = packet;
    const iface = isLoopback(to.host) ? this.#origin : this.#interfaces.interfaceAt(to.host);
    if (iface !== undefined) return this.#carry(packet, iface, () => deliver(packet, iface));
    this.#core.trace('drop', this.#origin.name, '', 0, () => `no host has ${to.host}`);
    return this.#core.now;
  }

  /** A multicast with 0 hops and a broadcast on the loopback stay on the host. */
  #sendToMany(packet: Packet, within: boolean): number {
    const { sender, to } = packet;
    const group = isMulticast(to.host);
    const stays = within || (group && sender.multicastTtl === 0);
    let leaves = this.#core.now;
    for (const iface of this.#interfaces.all()) {
      const isHome = iface === this.#origin;
      if (isHome ? group && !sender.multicastLoopback : stays) continue;
      const arrive = (): void => deliverToMany(packet, iface, within);
      leaves = Math.max(leaves, this.#carry(packet, iface, arrive));
    }
    return leaves;
  }

  /** Datagrams within the host arrive at once. */
  #carry({ bytes, to }: Packet, iface: NetworkInterface, arrive: () => void): number {
    const { outbound } = this.#interfaces.linksBetween(this.#origin, iface);
    this.#core.trace('send', outbound.from, outbound.to, sample(bytes), () => {
      return `a datagram of ${bytes.length} bytes to ${endpointText(to)}`;
    });
    if (outbound.from !== outbound.to) return outbound.sendDatagram(bytes, arrive);
    arrive();
    return this.#core.now;
  }
}

function deliver(packet: Packet, iface: NetworkInterface): void {
  const { network } = iface;
  const receiver = network.datagramPorts.receiverOf(packet.to, packet.from);
  if (receiver === undefined) sendPortUnreachable(packet, iface);
  else handOver(packet, receiver, iface);
}

/** "Port unreachable" (RFC 1122, 4.1.3.1). Only a connected sender is notified. */
function sendPortUnreachable({ sender, from, to }: Packet, { network }: NetworkInterface): void {
  const back = network.linkTo(from);
  const notify = (): void => sender.portUnreachable(to);
  if (sender.remote === undefined || back === undefined) return;
  network.core.trace('refuse', back.from, back.to, to.port, () => 'port unreachable');
  if (back.from === back.to) notify();
  else back.sendPacket('port unreachable', notify);
}

function deliverToMany(packet: Packet, iface: NetworkInterface, within: boolean): void {
  const { multicastGroups, datagramPorts } = iface.network;
  const { to, from } = packet;
  const receivers = isMulticast(to.host)
    ? multicastGroups.membersOf(to.host, within).filter((each) => isMemberFor(each, packet))
    : datagramPorts.broadcastReceiversAt(to, from);
  for (const receiver of receivers) handOver(packet, receiver, iface);
}

function isMemberFor(socket: SimDatagram, { to, from }: Packet): boolean {
  const { host, port } = socket.local;
  return port === to.port && (isWildcard(host) || host === to.host) && acceptsFrom(socket, from);
}

function handOver(
  { bytes, from, to, home }: Packet,
  receiver: SimDatagram,
  at: NetworkInterface,
): void {
  const text = (): string => `a datagram of ${bytes.length} bytes`;
  at.network.core.trace('deliver', home, at.name, bytes.length, text);
  receiver.deliver(bytes, to.family === 4 && isDualStackSocket(receiver) ? mapped(from) : from);
}
