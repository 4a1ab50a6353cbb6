/** The ports of one host. For TCP: listeners, and the local ports of connections. */
import type { ListenOptions } from '../../world/network.ts';
import type { IpEndpoint } from './addresses.ts';
import { isWildcard } from './addresses.ts';
import type { ErrorCode } from './errors.ts';
import type { SimListener } from './listener.ts';

/** net.ipv4.ip_local_port_range of Linux. */
const FIRST_EPHEMERAL = 32768;
const LAST_EPHEMERAL = 60999;

/** The sockets of one kind by port. Assigns ephemeral ports in turn. */
export class SocketsByPort<S> {
  readonly #sockets = new Map<number, readonly S[]>();
  #next = FIRST_EPHEMERAL;

  at(port: number): readonly S[] {
    return this.#sockets.get(port) ?? [];
  }

  add(port: number, socket: S): void {
    this.#sockets.set(port, [...this.at(port), socket]);
  }

  remove(port: number, socket: S): void {
    const left = this.at(port).filter((each) => each !== socket);
    if (left.length > 0) this.#sockets.set(port, left);
    else this.#sockets.delete(port);
  }

  isUsed(port: number): boolean {
    return this.#sockets.has(port);
  }

  /** An unused ephemeral port; 0 if there is none. */
  freePort(): number {
    for (let attempts = LAST_EPHEMERAL - FIRST_EPHEMERAL; attempts >= 0; attempts--) {
      const port = this.#next;
      this.#next = port === LAST_EPHEMERAL ? FIRST_EPHEMERAL : port + 1;
      if (!this.isUsed(port)) return port;
    }
    return 0;
  }
}

/** A local port that a connection of this host uses. */
export interface PortClaim {
  readonly endpoint: IpEndpoint;
}

export class TcpPorts extends SocketsByPort<SimListener> {
  readonly #claims = new Map<number, PortClaim>();

  /** Why `at` cannot be listened at; null if the port is free or all listeners share it. */
  problemWith(at: IpEndpoint, options: ListenOptions): ErrorCode | null {
    const claim = this.#claims.get(at.port);
    if (claim !== undefined && overlap(claim.endpoint, at, false)) return 'EADDRINUSE';
    for (const { local, binding } of this.at(at.port)) {
      const both = binding.dualStack || isDualStack(at, options);
      if (!overlap(local as IpEndpoint, at, both)) continue;
      if (!binding.reusePort || options.reusePort !== true) return 'EADDRINUSE';
    }
    return null;
  }

  /**
   * The listener that accepts a connection to `to`. Listeners bound to this address precede those
   * bound to all addresses. If several share the port, the client's port selects one; Linux uses a
   * hash of addresses and ports.
   */
  listenerAt(to: IpEndpoint, from: IpEndpoint): SimListener | undefined {
    const all = this.at(to.port);
    const exact = all.filter(({ local }) => (local as IpEndpoint).host === to.host);
    const found = exact.length > 0 ? exact : all.filter((each) => isForAll(each, to.family));
    return found[(Math.imul(from.port, 0x9e3779b1) >>> 0) % found.length];
  }

  /** Claims `at.port`, or a free port for port 0. Returns null if it is taken, or none is free. */
  claim(at: IpEndpoint): PortClaim | null {
    const port = at.port === 0 ? this.freePort() : at.port;
    if (port === 0 || this.isUsed(port)) return null;
    const claim = { endpoint: { ...at, port } };
    this.#claims.set(port, claim);
    return claim;
  }

  unclaim({ endpoint }: PortClaim): void {
    this.#claims.delete(endpoint.port);
  }

  override isUsed(port: number): boolean {
    return this.#claims.has(port) || super.isUsed(port);
  }
}

export function isDualStack(
  at: IpEndpoint,
  { ipv6Only }: { readonly ipv6Only?: boolean },
): boolean {
  return at.host === '::' && ipv6Only !== true;
}

/** True if a connection to the port could match both addresses. */
export function overlap(one: IpEndpoint, other: IpEndpoint, dualStack: boolean): boolean {
  if (one.family !== other.family && !dualStack) return false;
  return one.host === other.host || isWildcard(one.host) || isWildcard(other.host);
}

function isForAll({ local, binding }: SimListener, family: 4 | 6): boolean {
  const { host } = local as IpEndpoint;
  return family === 4 ? host === '0.0.0.0' || binding.dualStack : host === '::';
}
