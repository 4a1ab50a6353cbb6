/** The TCP ports of one host: listeners, and the local ports of connections. */
import type { ListenOptions } from '../../world/network.ts';
import type { IpEndpoint } from './addresses.ts';
import { isWildcard } from './addresses.ts';
import type { ErrorCode } from './errors.ts';
import type { SimListener } from './listener.ts';

/** net.ipv4.ip_local_port_range of Linux. */
const FIRST_EPHEMERAL = 32768;
const LAST_EPHEMERAL = 60999;

/** Assigns ephemeral ports in turn. */
export class EphemeralPorts {
  #next = FIRST_EPHEMERAL;

  /** An unused port; 0 if there is none. */
  find(isUsed: (port: number) => boolean): number {
    for (let attempts = LAST_EPHEMERAL - FIRST_EPHEMERAL; attempts >= 0; attempts--) {
      const port = this.#next;
      this.#next = port === LAST_EPHEMERAL ? FIRST_EPHEMERAL : port + 1;
      if (!isUsed(port)) return port;
    }
    return 0;
  }
}

/** A local port that a connection of this host uses. */
export interface PortClaim {
  readonly endpoint: IpEndpoint;
}

export class TcpPorts {
  readonly #listeners = new Map<number, SimListener[]>();
  readonly #claims = new Map<number, PortClaim>();
  readonly #ephemeralPorts = new EphemeralPorts();

  /** Why `at` cannot be listened at; null if the port is free or all listeners share it. */
  problemWith(at: IpEndpoint, options: ListenOptions): ErrorCode | null {
    const claim = this.#claims.get(at.port);
    if (claim !== undefined && overlap(claim.endpoint, at, false)) return 'EADDRINUSE';
    for (const { local, binding } of this.#listeners.get(at.port) ?? []) {
      const both = binding.dualStack || isDualStack(at, options);
      if (!overlap(local as IpEndpoint, at, both)) continue;
      if (!binding.reusePort || options.reusePort !== true) return 'EADDRINUSE';
    }
    return null;
  }

  add(port: number, listener: SimListener): void {
    const sharing = this.#listeners.get(port);
    if (sharing === undefined) this.#listeners.set(port, [listener]);
    else sharing.push(listener);
  }

  remove(port: number, listener: SimListener): void {
    const left = this.#listeners.get(port)?.filter((each) => each !== listener) ?? [];
    if (left.length > 0) this.#listeners.set(port, left);
    else this.#listeners.delete(port);
  }

  /**
   * The listener that accepts a connection to `to`. Listeners bound to this address precede those
   * bound to all addresses. If several share the port, the client's port selects one; Linux uses a
   * hash of addresses and ports.
   */
  listenerAt(to: IpEndpoint, from: IpEndpoint): SimListener | undefined {
    const all = this.#listeners.get(to.port);
    if (all === undefined) return undefined;
    const exact = all.filter(({ local }) => (local as IpEndpoint).host === to.host);
    const found = exact.length > 0 ? exact : all.filter((each) => isForAll(each, to.family));
    return found[(Math.imul(from.port, 0x9e3779b1) >>> 0) % found.length];
  }

  /** Claims `at.port`, or a free port for port 0. Returns null if it is taken, or none is free. */
  claim(at: IpEndpoint): PortClaim | null {
    const port = at.port === 0 ? this.freePort() : at.port;
    if (port === 0 || this.#claims.has(port) || this.#listeners.has(port)) return null;
    const claim = { endpoint: { ...at, port } };
    this.#claims.set(port, claim);
    return claim;
  }

  unclaim({ endpoint }: PortClaim): void {
    this.#claims.delete(endpoint.port);
  }

  /** An unused ephemeral port; 0 if there is none. */
  freePort(): number {
    return this.#ephemeralPorts.find((port) => {
      return this.#claims.has(port) || this.#listeners.has(port);
    });
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
