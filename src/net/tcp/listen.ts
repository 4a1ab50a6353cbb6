/** `listen`: from an address to a Listener. */

import { runningTask } from '../../kernel/current.ts';
import { UsageError, unsupported } from '../../kernel/errors.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { checkpoint, sleep, writable } from '../../kernel/waits.ts';
import type { Keys } from '../../support/checks.ts';
import { checkInteger, checkKeys, checkOptionalBoolean, pick, show } from '../../support/checks.ts';
import type { ProxyProtocolOptions } from '../../world/handshake.ts';
import type { Endpoint, ListenerTransport, ListenOptions } from '../../world/network.ts';
import type { Platform } from '../../world/platform.ts';
import type { TlsServerOptions } from '../../world/tls.ts';
import type { Address, ParsedAddress } from '../address.ts';
import { formatAddress, inheritedFd, parseAddress } from '../address.ts';
import { currentNetwork, currentWorld } from '../current-world.ts';
import { HandshakingListener } from '../handshake/handshaking-listener.ts';
import { checkProxyProtocol, ProxyHeaderStage } from '../proxy/header-stage.ts';
import { resolveEndpoints } from '../resolve.ts';
import { tlsStageFactory } from '../tls/handshake.ts';
import { checkTlsServer } from '../tls/options.ts';
import { connect } from './connect.ts';
import { Listener } from './listener.ts';
import { checkSizes, requireSizes } from './socket-options.ts';

/** A file of a Unix socket that refuses is asked again after this time: between bind(2) and
 *  listen(2) of a server that is just starting lie microseconds, in which it refuses as well. */
const STALE_RECHECK_MS = 50;

/** The names of the options. */
export const LISTEN_KEYS: Keys<ListenOptions> = {
  backlog: true,
  reusePort: true,
  ipv6Only: true,
  mode: true,
  recvBufferSize: true,
  sendBufferSize: true,
  tls: true,
  proxyProtocol: true,
};

/**
 * Listens at `address`. A number or an empty host means all interfaces, IPv4 and IPv6; port 0 means
 * any free port (see `listener.address`). A Unix socket's file goes with its listener; one that a
 * dead server has left is replaced. `{ fd: 3 }` takes over a listening socket that the process has
 * inherited (see `inheritedListeners`); of the options only `tls` and `proxyProtocol` go with it,
 * and its file stays.
 *
 * Options: `backlog`, connections that may wait to be accepted (default: the system's maximum);
 * `reusePort`, several listeners share the port; `ipv6Only`; `mode`, the permissions of a Unix
 * socket's file; `recvBufferSize` and `sendBufferSize` in bytes, inherited by what is accepted;
 * `tls`, certificate and key: then only connections whose handshake is complete are accepted, see
 * `listener.handshakes`; `proxyProtocol`, who may say for whom it connects: then a socket's
 * `remoteAddress` is the real peer's, see `proxyHeader` and `listener.proxyHeaders`.
 * Cancel: nothing is left open. Errors: ERR_ADDRESS, EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND,
 * ENAMETOOLONG; for a descriptor EBADF, ENOTSOCK, EINVAL (it does not listen) and EBUSY (it is open
 * here already); ERR_TLS_OPTIONS for a certificate or a key that cannot be used; ERR_UNSUPPORTED
 * for what the network cannot do; TypeError, RangeError.
 */
export function listen(address: Address, options: ListenOptions = {}): Operation<Listener> {
  const fd = inheritedFd(address);
  if (fd !== undefined) return listenInherited(fd, options);
  const parsed = parseAddress(address);
  checkListenOptions(parsed, options);
  const { tls, proxyProtocol, ...plain } = options;
  return new Lazy(() => runListen({ tls, proxyProtocol }, () => listenAt(parsed, plain)));
}

/** What concerns `listen` among the options of a server. */
export function listenOptions(options: ListenOptions): ListenOptions {
  return pick(options, LISTEN_KEYS);
}

/** Whoever made the socket has settled everything below TLS. */
function listenInherited(fd: number, options: ListenOptions): Operation<Listener> {
  checkKeys('options', options, LISTEN_KEYS);
  const { tls, proxyProtocol, ...settled } = options;
  const name = Object.entries(settled).find(([, value]) => value !== undefined)?.[0];
  if (name !== undefined) {
    const instead = 'Whoever made the socket sets it: in a .socket unit of systemd, for example.';
    throw unsupported(`A listener at { fd: ${fd} }`, `have a \`${name}\``, instead);
  }
  checkHandshakeOptions(options);
  return new Lazy(() => runListen({ tls, proxyProtocol }, () => adoptDescriptor(fd)));
}

function checkListenOptions(address: ParsedAddress, options: ListenOptions): void {
  checkKeys('options', options, LISTEN_KEYS);
  const { backlog, mode } = options;
  if (backlog !== undefined) checkInteger('backlog', backlog, 1, 2 ** 31 - 1);
  checkOptionalBoolean('reusePort', options.reusePort);
  checkOptionalBoolean('ipv6Only', options.ipv6Only);
  checkSizes(options);
  checkHandshakeOptions(options);
  if (mode === undefined) return;
  checkInteger('mode', mode, 0, 0o777);
  if (address.path !== undefined && !address.path.startsWith('\0')) return;
  const who = `A listener at ${formatAddress(address)}`;
  throw unsupported(who, 'have a `mode`', 'Only the file of a Unix socket has permissions.');
}

/** What connections have to come through. */
interface HandshakeOptions {
  readonly tls?: TlsServerOptions | undefined;
  readonly proxyProtocol?: ProxyProtocolOptions | undefined;
}

/** Throws for what can be seen to be wrong. */
export function checkHandshakeOptions({ tls, proxyProtocol }: HandshakeOptions): void {
  if (tls !== undefined) checkTlsServer(tls);
  if (proxyProtocol !== undefined) checkProxyProtocol(proxyProtocol);
}

/**
 * A certificate that cannot be used is found before anything is opened. A proxy speaks first, and
 * in clear.
 */
function* runListen(
  { tls: options, proxyProtocol }: HandshakeOptions,
  begins: () => Generator<Wait, ListenerTransport>,
): Generator<Wait, Listener> {
  yield* checkpoint();
  const tlsGate = options && tlsStageFactory();
  const gate = options && tlsGate?.(options);
  const raw = yield* begins();
  const { scheduler } = runningTask();
  const proxyGate = proxyProtocol && new ProxyHeaderStage(proxyProtocol, scheduler);
  const proxies = proxyGate && new HandshakingListener(raw, proxyGate, scheduler);
  const tls = gate && new HandshakingListener(proxies ?? raw, gate, scheduler);
  return new Listener(tls ?? proxies ?? raw, { proxyHeaders: proxies, tls, tlsStageFor: tlsGate });
}

/** A worker's supervisor may have opened it for the worker; then its number is another one here. */
function* adoptDescriptor(fd: number): Generator<Wait, ListenerTransport> {
  return yield* untilListening(currentNetwork().adopt(takeFromSupervisor(`fd:${fd}`) ?? fd));
}

/** What a worker's supervisor has opened is taken over; the supervisor has settled its options. */
function* listenAt(
  address: ParsedAddress,
  options: ListenOptions,
): Generator<Wait, ListenerTransport> {
  const fd = takeFromSupervisor(formatAddress(address));
  if (fd !== undefined) return yield* untilListening(currentNetwork().adopt(fd));
  requireSizes(currentNetwork(), options);
  return yield* bindAt(address, (at) => untilListening(currentNetwork().listen(at, options)));
}

/** Begins something at the endpoint that a listener at `address` is bound to. */
export function* bindAt<T>(address: ParsedAddress, begin: BindAttempt<T>): Generator<Wait, T> {
  if (address.path !== undefined) return yield* bindAtPath(address, begin);
  if (address.host === '') return yield* bindAllInterfaces(address.port, begin);
  const [endpoint] = yield* resolveEndpoints(address.host, address.port);
  return yield* begin(endpoint as Endpoint);
}

type BindAttempt<T> = (at: Endpoint) => Generator<Wait, T>;

/**
 * A path that is in use may be the file that a dead server has left behind: nobody answers behind
 * it. Then it is replaced. Of several servers that find it so one wins: only the file that was seen
 * here is removed, by one of them, and bind(2) lets one in.
 */
function* bindAtPath<T>(at: { readonly path: string }, begin: BindAttempt<T>): Generator<Wait, T> {
  const remove = currentNetwork().socketFile(at.path);
  try {
    return yield* begin(at);
  } catch (error) {
    const mayBeLeft = remove !== undefined && codeOf(error) === 'EADDRINUSE';
    if (!mayBeLeft || !(yield* isStaleSocketFile(at.path))) throw error;
  }
  remove?.();
  return yield* begin(at);
}

function* isStaleSocketFile(path: string): Generator<Wait, boolean> {
  if (!(yield* refusesConnections(path))) return false;
  yield* sleep(STALE_RECHECK_MS);
  return yield* refusesConnections(path);
}

/** Only a refusal proves it: a live server that is too busy answers otherwise. A file that has gone
 *  meanwhile is no obstacle any more. */
function* refusesConnections(path: string): Generator<Wait, boolean> {
  try {
    const socket = yield* connect({ path });
    socket.close();
    return false;
  } catch (error) {
    if (isCancelled(error)) throw error;
    const code = codeOf(error);
    return code === 'ECONNREFUSED' || code === 'ENOENT';
  }
}

/** All interfaces: one dual-stack socket, or IPv4 alone where the machine has no IPv6. */
function* bindAllInterfaces<T>(port: number, begin: BindAttempt<T>): Generator<Wait, T> {
  try {
    return yield* begin({ host: '::', port, family: 6 });
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error;
    return yield* begin({ host: '0.0.0.0', port, family: 4 });
  }
}

function* untilListening(transport: ListenerTransport): Generator<Wait, ListenerTransport> {
  let listening = false;
  try {
    while (!transport.tryListen()) yield* writable(transport);
    listening = true;
    return transport;
  } finally {
    if (!listening) transport.close();
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null | undefined)?.code;
}

/** Listeners that a worker process has inherited from its supervisor, by their addresses. */

/** What is left to take over, by the address that the supervisor was given. */
const inheritedByPlatform = new WeakMap<Platform, Map<string, number>>();

/**
 * The descriptor of the listener at `address`, as a text, if this process has inherited one. It is
 * given out once: who listens a second time gets what the system says. The variable is taken away,
 * so that it misleads no child.
 */
export function takeFromSupervisor(address: string): number | undefined {
  const { platform } = currentWorld();
  let left = inheritedByPlatform.get(platform);
  if (left === undefined) {
    left = new Map(readInherited(platform));
    inheritedByPlatform.set(platform, left);
  }
  const fd = left.get(address);
  left.delete(address);
  return fd;
}

type InheritedDescriptor = readonly [address: string, fd: number];

function readInherited(platform: Platform): readonly InheritedDescriptor[] {
  const text = platform.environment('CORONET_LISTEN');
  if (text === undefined) return [];
  platform.unsetEnvironment('CORONET_LISTEN');
  const list = parseJson(text);
  if (Array.isArray(list) && list.every(isInheritedDescriptor)) return list;
  throw new UsageError(
    'ERR_ADDRESS',
    `Expected CORONET_LISTEN to be the list that a supervisor makes, got ${show(text)}`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Told by the caller, as any other text that is no such list.
    return undefined;
  }
}

function isInheritedDescriptor(item: unknown): item is InheritedDescriptor {
  return Array.isArray(item) && typeof item[0] === 'string' && Number.isInteger(item[1]);
}
