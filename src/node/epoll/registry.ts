/** What the resources of the epoll network and the network itself know of each other. */
import type { Endpoint } from '../../world/network.ts';
import type { Addon } from '../addon.ts';
import type { DatagramArena } from './datagram.ts';
import type { ReceiveBatch } from './receive-batch.ts';
import type { Slabs } from './slab.ts';

/** Event bits as the addon passes them on (epoll_ctl(2)). */
export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;

/** What a connection takes for "readable", and for "writable". */
export const RECV_EVENTS: number = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
export const SEND_EVENTS: number = EPOLLOUT | EPOLLHUP | EPOLLERR;
/** After these a short read proves nothing. */
export const TRAILING_EVENTS: number = EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/** The results that are answers rather than errors. */
export const EAGAIN = -11;
export const EBADF = -9;

/** A socket in the table of its network. */
export interface Registered {
  /** Index and generation of its slot. An event that carries another handle is for another. */
  readonly handle: number;
  readonly kind: 'transport' | 'listener' | 'datagram';
  /** Takes note of readiness and wakes waiters. */
  onEvents(bits: number): void;
  /** One line for the report of leaks. */
  openLine(): string;
  close(): void;
}

/** What a resource needs of its network. */
export interface Registry {
  readonly addon: Addon;
  readonly slabs: Slabs;
  /** Runs at the end of each delivery of events. */
  readonly batch: ReceiveBatch;
  /** Made when it is first asked for. */
  readonly arena: DatagramArena;
  /** From now on events of `resource.handle` reach it. */
  add(resource: Registered): void;
  /** From now on they are dropped. Called before the descriptor is closed. */
  remove(resource: Registered): void;
}

/** Where a transport comes from. */
export interface TransportOrigin {
  readonly registry: Registry;
  readonly handle: number;
  /** The near end, where it is known beforehand: a listener with a concrete address. */
  readonly local: Endpoint | undefined;
  /** The far end of an attempt to connect; `undefined`: accepted, so the system knows it. */
  readonly to: Endpoint | undefined;
}
