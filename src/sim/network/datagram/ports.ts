/** The datagram sockets of one host, by port. UDP and TCP have separate ports. */
import type { DatagramOptions } from '../../../world/network.ts';
import type { IpEndpoint } from '../addresses.ts';
import { canonical, isWildcard } from '../addresses.ts';
import type { SimDatagram } from '../datagram.ts';
import { isDualStack, overlap, SocketsByPort } from '../ports.ts';

export class DatagramPorts extends SocketsByPort<SimDatagram> {
  /** True: the port is unused, or all its sockets share it. */
  isFree(at: IpEndpoint, options: DatagramOptions): boolean {
    return this.at(at.port).every(
      (socket) =>
        !overlap(socket.local, at, isDualStackSocket(socket) || isDualStack(at, options)) ||
        (socket.options.reusePort === true && options.reusePort === true) ||
        (socket.options.reuseAddress === true && options.reuseAddress === true),
    );
  }

  /**
   * The socket that receives a datagram to `to`. A socket connected to the sender precedes one
   * bound to this address, which precedes one bound to all addresses. If several share the port,
   * the sender's port selects one.
   */
  receiverOf(to: IpEndpoint, from: IpEndpoint): SimDatagram | undefined {
    let best: SimDatagram[] = [];
    let highest = 0;
    for (const socket of this.at(to.port)) {
      const score = scoreOf(socket, to, from);
      if (score === 0 || score < highest) continue;
      best = score > highest ? [socket] : [...best, socket];
      highest = score;
    }
    return best[(Math.imul(from.port, 0x9e3779b1) >>> 0) % best.length];
  }

  /** The sockets that receive a broadcast: those bound to all addresses of the family. */
  broadcastReceiversAt({ port, family }: IpEndpoint, from: IpEndpoint): SimDatagram[] {
    return this.at(port).filter((socket) => isForAll(socket, family) && acceptsFrom(socket, from));
  }
}

/** The precedence of a socket for a datagram; 0: it does not receive it. */
function scoreOf(socket: SimDatagram, to: IpEndpoint, from: IpEndpoint): number {
  const exact = canonical(socket.local).host === to.host;
  if (!acceptsFrom(socket, from) || !(exact || isForAll(socket, to.family))) return 0;
  return 1 + (exact ? 1 : 0) + (socket.remote === undefined ? 0 : 2);
}

/** A connected socket receives only from its peer. */
export function acceptsFrom({ remote }: SimDatagram, from: IpEndpoint): boolean {
  if (remote === undefined) return true;
  const peer = canonical(remote);
  return peer.port === from.port && peer.host === from.host;
}

export function isDualStackSocket({ local, options }: SimDatagram): boolean {
  return isDualStack(local, options);
}

function isForAll(socket: SimDatagram, family: 4 | 6): boolean {
  const { local } = socket;
  if (!isWildcard(local.host)) return false;
  return local.family === family || (family === 4 && isDualStackSocket(socket));
}
