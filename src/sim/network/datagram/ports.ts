/** The datagram sockets of one host, by port. They share nothing with the ports of TCP. */
import type { DatagramOptions } from '../../../world/network.ts';
import type { IpEndpoint } from '../addresses.ts';
import { canonical, isWildcard } from '../addresses.ts';
import type { SimDatagram } from '../datagram.ts';
import { FIRST_EPHEMERAL, isDualStack, LAST_EPHEMERAL, overlap } from '../ports.ts';

export class DatagramPorts {
  readonly #sockets = new Map<number, SimDatagram[]>();
  #next = FIRST_EPHEMERAL;

  /** True: nobody has the port, or all who have it share it. */
  isFree(at: IpEndpoint, options: DatagramOptions): boolean {
    return this.#at(at.port).every(
      (socket) =>
        !overlap(socket.local, at, isDualStackSocket(socket) || isDualStack(at, options)) ||
        (socket.options.reusePort === true && options.reusePort === true) ||
        (socket.options.reuseAddress === true && options.reuseAddress === true),
    );
  }

  add(socket: SimDatagram): void {
    const { port } = socket.local;
    this.#sockets.set(port, [...this.#at(port), socket]);
  }

  remove(socket: SimDatagram): void {
    const { port } = socket.local;
    const left = this.#at(port).filter((each) => each !== socket);
    if (left.length > 0) this.#sockets.set(port, left);
    else this.#sockets.delete(port);
  }

  /** A port that nobody has; 0: there is none left. */
  freePort(): number {
    for (let tries = LAST_EPHEMERAL - FIRST_EPHEMERAL; tries >= 0; tries--) {
      const port = this.#next;
      this.#next = port === LAST_EPHEMERAL ? FIRST_EPHEMERAL : port + 1;
      if (!this.#sockets.has(port)) return port;
    }
    return 0;
  }

  /**
   * Who gets a datagram to `to`: the socket that is connected with the sender before one that is
   * bound to that very address, and that before one bound to all. Among several that share the
   * port, the sender's port decides.
   */
  receiverOf(to: IpEndpoint, from: IpEndpoint): SimDatagram | undefined {
    let best: SimDatagram[] = [];
    let highest = 0;
    for (const socket of this.#at(to.port)) {
      const score = scoreOf(socket, to, from);
      if (score === 0 || score < highest) continue;
      best = score > highest ? [socket] : [...best, socket];
      highest = score;
    }
    return best[(Math.imul(from.port, 0x9e3779b1) >>> 0) % best.length];
  }

  /** Who hears what is sent to everybody: those bound to all addresses of the family. */
  broadcastReceiversAt({ port, family }: IpEndpoint, from: IpEndpoint): SimDatagram[] {
    return this.#at(port).filter((socket) => isForAll(socket, family) && acceptsFrom(socket, from));
  }

  #at(port: number): readonly SimDatagram[] {
    return this.#sockets.get(port) ?? [];
  }
}

/** 0: it is not meant. */
function scoreOf(socket: SimDatagram, to: IpEndpoint, from: IpEndpoint): number {
  const exact = canonical(socket.local).host === to.host;
  if (!acceptsFrom(socket, from) || !(exact || isForAll(socket, to.family))) return 0;
  return 1 + (exact ? 1 : 0) + (socket.remote === undefined ? 0 : 2);
}

/** A connected socket hears its peer only. */
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
