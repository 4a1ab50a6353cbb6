/** `listen`: from an address to a Listener. */

import { runningTask } from '../../kernel/current.ts';
import { UsageError, unsupported } from '../../kernel/errors.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { checkpoint } from '../../kernel/waits.ts';
import type { Keys } from '../../support/checks.ts';
import { checkInteger, checkKeys, checkOptionalBoolean, pick, show } from '../../support/checks.ts';
import type { ProxyProtocolOptions } from '../../world/handshake.ts';
import type { ListenerTransport, ListenOptions } from '../../world/network.ts';
import type { Platform } from '../../world/platform.ts';
import type { TlsServerOptions } from '../../world/tls.ts';
import type { Address, ParsedAddress } from '../address.ts';
import { formatAddress, inheritedFd, parseAddress } from '../address.ts';
import { bindAt, untilOpen } from '../bind.ts';
import { currentNetwork, currentWorld } from '../current-world.ts';
import { HandshakingListener } from '../handshake/handshaking-listener.ts';
import { checkProxyProtocol, ProxyHeaderStage } from '../proxy/header-stage.ts';
import { tlsStageFactory } from '../tls/handshake.ts';
import { checkTlsServer } from '../tls/options.ts';
import { Listener } from './listener.ts';
import type { QueuesBySlot } from './shared-queues.ts';
import { withQueuesOfOthers } from './shared-queues.ts';
import { checkSizes, requireSizes, SIZE_KEYS } from './socket-options.ts';

export const LISTEN_KEYS: Keys<ListenOptions> = {
  backlog: true,
  reusePort: true,
  ipv6Only: true,
  mode: true,
  ...SIZE_KEYS,
  tls: true,
  proxyProtocol: true,
};

/**
 * Listens at `address`. A number or no host means all interfaces, IPv4 and IPv6. Port 0 means
 * any free port (see `listener.address`). The file of a Unix socket is removed when its listener
 * closes; a stale file, left by a server that has ended, is replaced. `{ fd: 3 }` takes over a
 * listening socket that the process has inherited (see `inheritedListeners`): it permits only the
 * options `tls` and `proxyProtocol`, and its file is not removed.
 *
 * Options: `backlog`, the number of connections that may wait to be accepted (default: the system's
 * maximum); `reusePort`, several listeners share the port; `ipv6Only`; `mode`, the permissions of
 * the file of a Unix socket; `recvBufferSize` and `sendBufferSize` in bytes, inherited by accepted
 * connections; `tls`, certificate and key: only connections with a complete handshake are accepted,
 * see `listener.handshakes`; `proxyProtocol`, the trusted proxies: `remoteAddress` of a socket is
 * the address of the proxy's client, see `proxyHeader` and `listener.proxyHeaders`.
 *
 * Cancel: nothing is left open.
 * Errors: ERR_ADDRESS, EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND, ENAMETOOLONG; for a descriptor
 * EBADF, ENOTSOCK, EINVAL (it does not listen) and EBUSY (it is already open here); ERR_TLS_OPTIONS
 * for an unusable certificate or key; ERR_UNSUPPORTED for an option that the network does not have;
 * TypeError, RangeError.
 *
 * @example
 * const listener = yield* listen('127.0.0.1:8000', { backlog: 128 });
 * const socket = yield* listener.accept();
 */
export function listen(address: Address, options: ListenOptions = {}): Operation<Listener> {
  const fd = inheritedFd(address);
  if (fd !== undefined) return listenInherited(fd, options);
  const parsed = parseAddress(address);
  checkListenOptions(parsed, options);
  const { tls, proxyProtocol, ...plain } = options;
  return new Lazy(() => runListen({ tls, proxyProtocol }, () => listenAt(parsed, plain)));
}

/** The options of `listen` among the options of a server. */
export function listenOptions(options: ListenOptions): ListenOptions {
  return pick(options, LISTEN_KEYS);
}

/** The process that opened the socket has set every option below TLS. */
function listenInherited(fd: number, options: ListenOptions): Operation<Listener> {
  checkKeys('options', options, LISTEN_KEYS);
  const { tls, proxyProtocol, ...settled } = options;
  const name = Object.entries(settled).find(([, value]) => value !== undefined)?.[0];
  if (name !== undefined) {
    const instead = 'Set it where the socket is opened, for example in a systemd .socket unit.';
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
  const subject = `A listener at ${formatAddress(address)}`;
  throw unsupported(subject, 'have a `mode`', 'Only the file of a Unix socket has permissions.');
}

interface HandshakeOptions {
  readonly tls?: TlsServerOptions | undefined;
  readonly proxyProtocol?: ProxyProtocolOptions | undefined;
}

/** Throws for invalid options. */
export function checkHandshakeOptions({ tls, proxyProtocol }: HandshakeOptions): void {
  if (tls !== undefined) checkTlsServer(tls);
  if (proxyProtocol !== undefined) checkProxyProtocol(proxyProtocol);
}

/**
 * The TLS stage is created first: an unusable certificate fails before anything is opened. The
 * PROXY header comes before TLS, in clear.
 */
function* runListen(
  { tls: options, proxyProtocol }: HandshakeOptions,
  open: () => Generator<Wait, ListenerTransport>,
): Generator<Wait, Listener> {
  yield* checkpoint();
  const tlsStageFor = options && tlsStageFactory();
  const tlsStage = options && tlsStageFor?.(options);
  const raw = yield* open();
  const { scheduler } = runningTask();
  const proxyStage = proxyProtocol && new ProxyHeaderStage(proxyProtocol, scheduler);
  const proxyHeaders = proxyStage && new HandshakingListener(raw, proxyStage, scheduler);
  const tls = tlsStage && new HandshakingListener(proxyHeaders ?? raw, tlsStage, scheduler);
  return new Listener(tls ?? proxyHeaders ?? raw, { proxyHeaders, tls, tlsStageFor });
}

/** A supervisor may have opened the listener for this worker, under another descriptor. */
function adoptDescriptor(fd: number): Generator<Wait, ListenerTransport> {
  return untilListening(currentNetwork().adopt(takeFromSupervisor(`fd:${fd}`) ?? fd));
}

/** A listener that a supervisor has opened for this worker has its options already. */
function* listenAt(
  address: ParsedAddress,
  options: ListenOptions,
): Generator<Wait, ListenerTransport> {
  const network = currentNetwork();
  const fd = takeFromSupervisor(formatAddress(address));
  if (fd !== undefined) {
    return withQueuesOfOthers(yield* untilListening(network.adopt(fd)), queuesOf(fd));
  }
  requireSizes(network, options);
  return yield* bindAt(address, (at) => untilListening(network.listen(at, options)));
}

function untilListening(transport: ListenerTransport): Generator<Wait, ListenerTransport> {
  return untilOpen(transport, () => transport.tryListen());
}

// ---- listeners that a worker has inherited from its supervisor: CORONET_LISTEN ----

/** Descriptors that are not taken yet, by the address in the supervisor. */
const inheritedByPlatform = new WeakMap<Platform, Map<string, number>>();
/** See `queuesOf`. */
const queuesByPlatform = new WeakMap<Platform, ReadonlyMap<number, QueuesBySlot>>();

/**
 * The descriptor of the listener at `address`, if the supervisor has opened one. It is returned
 * once: a second `listen` at the address opens its own socket. The environment variable is removed,
 * so that child processes do not read it.
 */
export function takeFromSupervisor(address: string): number | undefined {
  const { platform } = currentWorld();
  let inherited = inheritedByPlatform.get(platform);
  if (inherited === undefined) {
    const list = readInherited(platform);
    inherited = new Map(list.map(([at, fd]) => [at, fd]));
    inheritedByPlatform.set(platform, inherited);
    const queues = list.map(([, fd, others = []]) => [fd, others] as const);
    queuesByPlatform.set(platform, new Map(queues));
  }
  const fd = inherited.get(address);
  inherited.delete(address);
  return fd;
}

/** The queues of the other workers; empty: they share the queue of `fd`. */
function queuesOf(fd: number): QueuesBySlot {
  return queuesByPlatform.get(currentWorld().platform)?.get(fd) ?? [];
}

type InheritedDescriptor = readonly [address: string, fd: number, queues?: QueuesBySlot];

function readInherited(platform: Platform): readonly InheritedDescriptor[] {
  const text = platform.environment('CORONET_LISTEN');
  if (text === undefined) return [];
  platform.unsetEnvironment('CORONET_LISTEN');
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    // Not JSON: reported below.
  }
  if (Array.isArray(list) && list.every(isInheritedDescriptor)) return list;
  throw new UsageError(
    'ERR_ADDRESS',
    `Expected CORONET_LISTEN to be a list of [address, descriptor], got ${show(text)}. Only a ` +
      'supervisor sets it: remove it from the environment.',
  );
}

function isInheritedDescriptor(item: unknown): item is InheritedDescriptor {
  if (!Array.isArray(item)) return false;
  const [address, fd, queues = []] = item as readonly unknown[];
  const isList = Array.isArray(queues) && queues.every((each) => each === null || isFd(each));
  return typeof address === 'string' && isFd(fd) && isList;
}

function isFd(value: unknown): value is number {
  return Number.isInteger(value);
}
