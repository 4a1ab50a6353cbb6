/** The interface between the epoll network and its resources. */
import type { Endpoint } from '../../world/network.ts';
import type { Addon } from '../addon.ts';
import type { LingeringClose } from '../tls/lingering-close.ts';
import type { DatagramArena } from './datagram.ts';
import type { LoanMemory } from './loan-memory.ts';
import type { ReceiveBatch } from './receive-batch.ts';
import type { SendBatch } from './send-batch.ts';
import type { Slabs } from './slab.ts';

/** Event bits of epoll_ctl(2). */
export const EPOLLIN = 0x001;
const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
const EPOLLRDHUP = 0x2000;

/** The events that mean "readable" and "writable" for a connection. */
export const RECV_EVENTS: number = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
export const SEND_EVENTS: number = EPOLLOUT | EPOLLHUP | EPOLLERR;
/** After these events a short read is not the end (fact 3 in network.ts). */
export const TRAILING_EVENTS: number = EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/** Results that are not system errors to report: would block, closed here. */
export const EAGAIN = -11;
export const EBADF = -9;

/** A socket in the table of its network. */
export interface Registered {
  /** Index and generation of its slot. Events with another handle are for another socket. */
  readonly handle: number;
  readonly kind: 'transport' | 'listener' | 'datagram';
  /** Records readiness and wakes waiters. */
  onEvents(bits: number): void;
  /** One line for the leak report. */
  openLine(): string;
  close(): void;
}

/** The part of the network that its resources use. */
export interface Registry {
  readonly addon: Addon;
  readonly slabs: Slabs;
  readonly loan: LoanMemory;
  /** Runs at the end of each delivery of events. */
  readonly batch: ReceiveBatch;
  /** The queued sends. */
  readonly sends: SendBatch;
  /** Created at first use. */
  readonly arena: DatagramArena;
  /** The closed TLS connections whose last bytes are not sent yet. */
  readonly lingering: Set<LingeringClose>;
  /** Events of `resource.handle` are passed to it from now on. */
  add(resource: Registered): void;
  /** Its events are dropped from now on. Called before the descriptor is closed. */
  remove(resource: Registered): void;
}

/** The origin of a transport. */
export interface TransportOrigin {
  readonly registry: Registry;
  readonly handle: number;
  /** The local address, if known: that of a listener with a concrete address. */
  readonly local: Endpoint | undefined;
  /** The remote address of a connection attempt, or of a connection that begins a TLS handshake;
   *  `undefined` for an accepted connection. */
  readonly to: Endpoint | undefined;
  /** The peer is a client. Absent: if there is no `to`. */
  readonly accepted?: boolean;
}
