/**
 * The network of one simulated host, as its programs use it.
 *
 * Errors that a system reports at once are thrown at once: no route, no descriptor, a port in use.
 * All hosts are on one network (10.0.0.0/8 and fd00::/64) without a route out of it. Other
 * addresses fail with ENETUNREACH at once; addresses without a host fail with EHOSTUNREACH after 3
 * s, in which a real system sends three ARP requests (arp(7): mcast_solicit).
 */

import { unsupported } from '../../kernel/errors.ts';
import type {
  BufferSizes,
  Capabilities,
  DatagramOptions,
  DatagramTransport,
  Endpoint,
  ListenerTransport,
  ListenOptions,
  Network,
  NetworkCounters,
  NetworkLimits,
  Transport,
  TransportConnectOptions,
} from '../../world/network.ts';
import type { SimCore } from '../core.ts';
import { unsupportedBySimulatedHost } from '../errors.ts';
import type { IpEndpoint } from './addresses.ts';
import {
  canonical,
  isLoopback,
  isMapped,
  isOnNetwork,
  isWildcard,
  loopbackOf,
  NOWHERE,
  withoutWildcard,
} from './addresses.ts';
import { MulticastGroups } from './datagram/multicast.ts';
import { DatagramPorts } from './datagram/ports.ts';
import { DatagramRouter } from './datagram/router.ts';
import { SimDatagram } from './datagram.ts';
import type { ErrorCode } from './errors.ts';
import { closedHere, systemError, unknownName } from './errors.ts';
import { injectFault } from './faults.ts';
import type { NetworkLink } from './link.ts';
import type { Binding } from './listener.ts';
import { MAX_BACKLOG, SimListener } from './listener.ts';
import { SIM_OPTIONS } from './options.ts';
import type { PortClaim } from './ports.ts';
import { isDualStack, TcpPorts } from './ports.ts';
import type { NetworkInterface, SimulatedNetwork } from './simulated-network.ts';
import { checkPath } from './socket-files.ts';
import { connectUnix } from './stream/connection.ts';
import { Handshake } from './stream/handshake.ts';
import { SimTransport } from './transport.ts';

const NEIGHBOUR_TIMEOUT_MS = 3000;
/** The maximum number of open descriptors of a simulated process. */
const MAX_DESCRIPTORS = 65_536;
/** Standard input, output and error. */
const STANDARD_DESCRIPTORS = 3;

export const CAPABILITIES: Capabilities = {
  pausesAccept: true,
  exactTorn: true,
  reusePort: true,
  options: SIM_OPTIONS,
  abstractNames: true,
  tls: false,
  sendsAtOnce: true,
  exactDropped: true,
};

type FoundHosts = readonly { readonly host: string; readonly family: 4 | 6 }[];

export class SimHostNetwork implements Network {
  readonly backend = 'sim';
  readonly settleMs = 0;
  readonly capabilities: Capabilities = CAPABILITIES;
  readonly core: SimCore;
  readonly host: string;
  /** The IPv4 address of the host. */
  readonly address: string;
  readonly ports: TcpPorts = new TcpPorts();
  readonly datagramRouter: DatagramRouter;
  readonly datagramPorts: DatagramPorts = new DatagramPorts();
  readonly multicastGroups: MulticastGroups = new MulticastGroups((host) => this.#isOwn(host));
  /** Closing a simulated socket completes at once. */
  readonly closing = 0;
  readonly #interfaces: SimulatedNetwork;
  readonly #interface: NetworkInterface;
  readonly #transports = new Set<SimTransport>();
  readonly #listeners = new Set<SimListener>();
  readonly #datagrams = new Set<SimDatagram>();
  readonly #claims = new Map<SimTransport, PortClaim>();
  #closed = false;

  constructor(interfaces: SimulatedNetwork, iface: NetworkInterface) {
    this.core = interfaces.core;
    this.host = iface.name;
    this.address = iface.v4;
    this.#interfaces = interfaces;
    this.#interface = iface;
    this.datagramRouter = new DatagramRouter(interfaces, iface);
  }

  // ---- listening ----

  listen(at: Endpoint, options: ListenOptions): ListenerTransport {
    this.#checkUsable('listen', at);
    const listener = 'path' in at ? this.#listenAtPath(at.path, options) : this.#bind(at, options);
    this.#listeners.add(listener);
    return listener;
  }

  #bind(at: IpEndpoint, options: ListenOptions): SimListener {
    const wanted = canonical(at);
    if (!this.#isOwn(wanted.host)) throw systemError('EADDRNOTAVAIL', 'listen', at);
    const port = wanted.port === 0 ? this.ports.freePort() : wanted.port;
    const local = { ...wanted, port };
    const problem = port === 0 ? 'EADDRINUSE' : this.ports.problemWith(local, options);
    if (problem !== null) throw systemError(problem, 'listen', at);
    const dualStack = isDualStack(local, options);
    const listener = this.#createListener(local, options, dualStack, () => {
      this.ports.remove(port, listener);
    });
    this.ports.add(port, listener);
    return listener;
  }

  /** An existing file prevents listening, even one that a crash has left behind. */
  #listenAtPath(path: string, options: ListenOptions): SimListener {
    const { files } = this.#interface;
    checkPath(path, 'listen');
    if (files.at(path) !== undefined) throw systemError('EADDRINUSE', 'listen', { path });
    const listener = this.#createListener({ path }, options, false, () => {
      if (!this.#closed) files.remove(path, listener);
    });
    files.add(path, listener);
    return listener;
  }

  #createListener(
    local: Endpoint,
    options: ListenOptions,
    dualStack: boolean,
    release: () => void,
  ): SimListener {
    const { backlog = MAX_BACKLOG, reusePort = false } = options;
    const longest = Math.min(backlog, MAX_BACKLOG);
    const binding: Binding = { local, backlog: longest, reusePort, dualStack, sizes: options };
    const listener = new SimListener(this, binding, () => {
      this.#listeners.delete(listener);
      release();
    });
    return listener;
  }

  #isOwn(host: string): boolean {
    return (
      isWildcard(host) || isLoopback(host) || this.#interfaces.interfaceAt(host) === this.#interface
    );
  }

  // ---- connecting ----

  connect(to: Endpoint, options: TransportConnectOptions): Transport {
    this.#checkUsable('connect', to);
    if (injectFault(this.core, 'emfile', this.host)) throw systemError('EMFILE', 'connect', to);
    if ('path' in to) return this.#connectToPath(to, options);
    const far = withoutWildcard(canonical(to));
    const claim = this.#claim(far, to, options.localAddress);
    const transport = new SimTransport(this, to);
    transport.local = claim.endpoint;
    transport.options.setSizes(options);
    this.#transports.add(transport);
    this.#claims.set(transport, claim);
    this.#startHandshake(transport, claim.endpoint, far);
    return transport;
  }

  #startHandshake(transport: SimTransport, from: IpEndpoint, to: IpEndpoint): void {
    const iface = isLoopback(to.host) ? this.#interface : this.#interfaces.interfaceAt(to.host);
    if (iface === undefined) {
      this.core.callAt(this.core.now + NEIGHBOUR_TIMEOUT_MS, () =>
        transport.failConnect('EHOSTUNREACH'),
      );
      return;
    }
    const links = this.#interfaces.linksBetween(this.#interface, iface);
    const listener = (): SimListener | undefined => iface.network.ports.listenerAt(to, from);
    new Handshake(this.core, transport, { links, from, to, listener }).sendSyn();
  }

  /** The local address: the requested one, or the address from which `far` is reached. */
  #claim(far: IpEndpoint, to: Endpoint, near: Endpoint | undefined): PortClaim {
    const fail = (code: ErrorCode): never => {
      throw systemError(code, 'connect', to);
    };
    if (!isLoopback(far.host) && !isOnNetwork(far.host)) fail('ENETUNREACH');
    const source = this.#sourceFor(far);
    const requested = near === undefined || 'path' in near ? undefined : canonical(near);
    if (requested === undefined) return this.ports.claim(source) ?? fail('EADDRNOTAVAIL');
    if (!this.#isOwn(requested.host)) fail('EADDRNOTAVAIL');
    if (requested.family !== far.family) fail('EINVAL');
    const host = isWildcard(requested.host) ? source.host : requested.host;
    return this.ports.claim({ ...requested, host }) ?? fail('EADDRINUSE');
  }

  #sourceFor(to: IpEndpoint): IpEndpoint {
    const own = to.family === 4 ? this.#interface.v4 : this.#interface.v6;
    return { host: isLoopback(to.host) ? loopbackOf(to) : own, port: 0, family: to.family };
  }

  /** A Unix socket connects at once, or fails (unix(7)). */
  #connectToPath(to: { readonly path: string }, sizes: BufferSizes): Transport {
    checkPath(to.path, 'connect');
    const listener = this.#interface.files.at(to.path);
    const problem = problemOf(to.path, listener);
    if (problem !== null) throw systemError(problem, 'connect', to);
    const near = new SimTransport(this, to);
    const far = new SimTransport(listener?.owner ?? this, NOWHERE);
    far.local = to;
    near.options.setSizes(sizes);
    far.options.setSizes(listener?.binding.sizes ?? {});
    const [nearEnd, farEnd] = connectUnix(this.core, this.host, near, far);
    this.#transports.add(near);
    far.established(farEnd);
    near.established(nearEnd);
    listener?.enqueue(far);
    return near;
  }

  // ---- datagrams ----

  bindDatagram(at: Endpoint, options: DatagramOptions): DatagramTransport {
    this.#checkUsable('bind', at);
    const fail = (code: ErrorCode): never => {
      throw systemError(code, 'bind', at);
    };
    const address = at as IpEndpoint;
    // An IPv6 socket that is bound to an IPv4-mapped address keeps that address.
    const wanted = isMapped(address.host) ? address : canonical(address);
    if (!this.#isOwn(wanted.host)) fail('EADDRNOTAVAIL');
    const port = wanted.port === 0 ? this.datagramPorts.freePort() : wanted.port;
    const local = { ...wanted, port };
    if (port === 0 || !this.datagramPorts.isFree(local, options)) fail('EADDRINUSE');
    const socket = new SimDatagram(this, local, options);
    this.datagramPorts.add(port, socket);
    this.#datagrams.add(socket);
    return socket;
  }

  /** The link to the sender of a datagram, for an answer. */
  linkTo({ host }: IpEndpoint): NetworkLink | undefined {
    const sender = isLoopback(host) ? this.#interface : this.#interfaces.interfaceAt(host);
    return sender && this.#interfaces.linksBetween(this.#interface, sender).outbound;
  }

  forgetDatagram(socket: SimDatagram): void {
    this.#datagrams.delete(socket);
    this.datagramPorts.remove(socket.local.port, socket);
    this.multicastGroups.forget(socket);
  }

  // ---- not supported ----

  tlsClient(): never {
    throw unsupportedTls();
  }

  tlsServer(): never {
    throw unsupportedTls();
  }

  adopt(): never {
    throw unsupportedBySimulatedHost('inherit listeners');
  }

  // ---- names ----

  /** Resolves names of hosts, and 'localhost'. */
  resolve(host: string, done: (error: unknown, hosts: FoundHosts) => void): () => void {
    const found = this.#hostsNamed(host.replace(/\.$/, ''));
    const timer = this.core.callAt(this.core.now, () => {
      if (this.#closed) return;
      if (found.length > 0) done(undefined, found);
      else done(unknownName(host), found);
    });
    return () => this.core.disarm(timer);
  }

  #hostsNamed(name: string): FoundHosts {
    if (name.toLowerCase() === 'localhost') return bothFamilies('127.0.0.1', '::1');
    const iface = this.#interfaces.interfaceNamed(name);
    return iface === undefined ? [] : bothFamilies(iface.v4, iface.v6);
  }

  // ---- the rest ----

  /** Registers an accepted connection. Throws EMFILE if no descriptor is left. */
  accepted(transport: SimTransport): void {
    this.#checkUsable('accept');
    this.#transports.add(transport);
  }

  /** Releases a closed connection. */
  forget(transport: SimTransport): void {
    this.#transports.delete(transport);
    const claim = this.#claims.get(transport);
    if (claim === undefined) return;
    this.#claims.delete(transport);
    this.ports.unclaim(claim);
  }

  /** Events are reported when they happen, so there is nothing to poll. */
  poll(): number {
    return 0;
  }

  socketFile(path: string): (() => void) | undefined {
    const { files } = this.#interface;
    const listener = files.at(path);
    if (listener === undefined || path.startsWith('\0')) return undefined;
    return () => files.remove(path, listener);
  }

  limits(): NetworkLimits {
    return {
      descriptors: MAX_DESCRIPTORS,
      openDescriptors: this.#openDescriptors(),
      backlog: MAX_BACKLOG,
    };
  }

  counters(): NetworkCounters {
    return {
      transports: this.#transports.size,
      listeners: this.#listeners.size,
      datagrams: this.#datagrams.size,
      slabs: 0,
    };
  }

  openListeners(): Iterable<ListenerTransport> {
    return this.#listeners;
  }

  open(): readonly string[] {
    return this.#resources().map((resource) => resource.openLine());
  }

  close(): void {
    if (this.#closed) return;
    for (const resource of this.#resources()) resource.close();
    this.#closed = true;
  }

  /** Ends the network after a crash of the host. Files of Unix sockets stay. */
  crash(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const listener of [...this.#listeners]) listener.crash();
    for (const transport of this.#transports) transport.crash();
    for (const datagram of this.#datagrams) datagram.crash();
    for (const set of [this.#transports, this.#claims, this.#datagrams]) set.clear();
  }

  #resources(): (SimListener | SimTransport | SimDatagram)[] {
    return [...this.#listeners, ...this.#transports, ...this.#datagrams];
  }

  #openDescriptors(): number {
    const { transports, listeners, datagrams } = this.counters();
    return transports + listeners + datagrams + STANDARD_DESCRIPTORS;
  }

  /** Throws if the network is closed or no descriptor is left. */
  #checkUsable(syscall: string, about?: Endpoint): void {
    if (this.#closed) throw closedHere('The network');
    if (this.#openDescriptors() < MAX_DESCRIPTORS) return;
    throw systemError('EMFILE', syscall, about);
  }
}

function problemOf(path: string, listener: SimListener | undefined): ErrorCode | null {
  if (listener === undefined) return path.startsWith('\0') ? 'ECONNREFUSED' : 'ENOENT';
  if (listener.closed) return 'ECONNREFUSED';
  return listener.isFull ? 'EAGAIN' : null;
}

function bothFamilies(v4: string, v6: string): FoundHosts {
  return [
    { host: v4, family: 4 },
    { host: v6, family: 6 },
  ];
}

/** The error of TLS on a simulated network. */
function unsupportedTls(): unknown {
  return unsupported('A simulated network', 'carry TLS', 'Test the program without it.');
}
