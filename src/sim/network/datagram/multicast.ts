/**
 * The multicast groups that the sockets of one host have joined, per interface. A host has two
 * interfaces: its loopback ('127.0.0.1', '::1', '::%lo'), which other hosts do not reach, and the
 * network (any other address of the host, any other zone, or none).
 */

import { canonicalHost, isLoopback, isMulticast, isWildcard } from '../addresses.ts';
import type { SimDatagram } from '../datagram.ts';
import type { ErrorCode } from '../errors.ts';

interface Membership {
  readonly socket: SimDatagram;
  readonly group: string;
  readonly loopback: boolean;
}

export class MulticastGroups {
  readonly #isOwn: (host: string) => boolean;
  #memberships: Membership[] = [];

  constructor(isOwn: (host: string) => boolean) {
    this.#isOwn = isOwn;
  }

  problemWithInterface(by: string | undefined): ErrorCode | null {
    if (by === undefined || by.includes('%')) return null;
    return this.#isOwn(canonicalHost(by)) ? null : 'ENODEV';
  }

  join(socket: SimDatagram, group: string, by: string | undefined): ErrorCode | null {
    if (!isMulticast(group)) return 'EINVAL';
    const problem = this.problemWithInterface(by);
    if (problem !== null) return problem;
    const wanted = { socket, group: canonicalHost(group), loopback: isLoopbackInterface(by) };
    if (this.#indexOf(wanted) >= 0) return 'EADDRINUSE';
    this.#memberships.push(wanted);
    return null;
  }

  leave(socket: SimDatagram, group: string, by: string | undefined): ErrorCode | null {
    const left = { socket, group: canonicalHost(group), loopback: isLoopbackInterface(by) };
    const index = this.#indexOf(left);
    if (index < 0) return 'EADDRNOTAVAIL';
    this.#memberships.splice(index, 1);
    return null;
  }

  /** The sockets that receive datagrams for `group`. */
  membersOf(group: string, loopback: boolean): SimDatagram[] {
    const members = this.#memberships.filter(
      (each) => each.group === group && each.loopback === loopback,
    );
    return members.map(({ socket }) => socket);
  }

  forget(socket: SimDatagram): void {
    this.#memberships = this.#memberships.filter((each) => each.socket !== socket);
  }

  #indexOf({ socket, group, loopback }: Membership): number {
    return this.#memberships.findIndex(
      (each) => each.socket === socket && each.group === group && each.loopback === loopback,
    );
  }
}

export function isLoopbackInterface(by: string | undefined): boolean {
  if (by === undefined) return false;
  const zone = by.split('%')[1];
  if (zone !== undefined) return zone === 'lo';
  const host = canonicalHost(by);
  return isLoopback(host) && !isWildcard(host);
}
