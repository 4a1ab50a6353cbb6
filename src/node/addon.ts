/**
 * The interface of the native addon, and the search for its file.
 *
 * The addon is optional. `loadAddon` never throws: it returns the addon, or the reason why it is
 * not available, which `coronet doctor` prints.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Endpoint, SocketOption } from '../world/network.ts';
import type { AddressArguments } from './endpoint.ts';
import { bundleFile, packageRoot } from './process/package-location.ts';

/** Numbers and names that native/coronet.h and native/options.c define. */
export interface AddonConstants {
  /** The low bits of a handle: the slot index. */
  readonly INDEX_BITS: number;
  /** The address family of a Unix socket; the others are 4, 6 and 0 for "none". */
  readonly FAMILY_UNIX: number;
  /** `sendv` reads at most this many array elements. */
  readonly MAX_PIECES: number;
  /** The most bytes that one system call moves. */
  readonly MAX_TRANSFER: number;

  /** Flags of `listen`, `listenShared` and `bindDatagram`. */
  readonly REUSE_PORT: number;
  readonly IPV6_ONLY: number;
  readonly REUSE_ADDRESS: number;
  readonly BROADCAST: number;

  /** Socket options in the order of their codes. */
  readonly SOCKET_OPTIONS: readonly SocketOption[];

  readonly OPTION_BROADCAST: number;
  readonly OPTION_TTL: number;
  readonly OPTION_MULTICAST_TTL: number;
  readonly OPTION_MULTICAST_LOOPBACK: number;

  readonly STAT_RECV_BUFFER: number;
  readonly STAT_SEND_BUFFER: number;
  readonly STAT_DROPPED: number;

  /** Positions in the record of an accepted connection, and its length. */
  readonly ACCEPT_HANDLE: number;
  readonly ACCEPT_FAMILY: number;
  readonly ACCEPT_PORT: number;
  readonly ACCEPT_HOST: number;
  readonly ACCEPT_INTS: number;

  /** Positions in the record of a received datagram, and its length. */
  readonly RECORD_LENGTH: number;
  readonly RECORD_TRUNCATED: number;
  readonly RECORD_FAMILY: number;
  readonly RECORD_PORT: number;
  readonly RECORD_HOST: number;
  readonly RECORD_INTS: number;

  /** Added to a short receive on a TLS connection after which an attempt finds an end or an
   *  error. */
  readonly RECV_MORE: number;

  /** Flags of a TLS context. */
  readonly TLS_SERVER: number;
  readonly REQUEST_CERTIFICATE: number;
  readonly REQUIRE_CERTIFICATE: number;
  readonly CHOOSE_CERTIFICATE: number;

  /** Results of TLS connections in addition to errnos: the engine has failed, the socket has ended
   *  without close_notify, the handshake waits for `tlsChoose`. */
  readonly TLS_FAILED: number;
  readonly TLS_TRUNCATED: number;
  readonly TLS_CHOOSE: number;

  /** Positions in the result of `tlsFacts`, and its length. */
  readonly FACT_VERSION: number;
  readonly FACT_CIPHER: number;
  readonly FACT_VERIFIED: number;
  readonly FACT_CERTIFICATE: number;
  readonly FACT_RESUMED: number;
  readonly FACT_ALPN: number;
  readonly FACT_SERVERNAME: number;
  readonly FACT_INTS: number;

  /** Texts of `tlsText`. */
  readonly TEXT_ERROR: number;
  readonly TEXT_VERSION: number;
  readonly TEXT_CIPHER: number;
  readonly TEXT_ALPN: number;
  readonly TEXT_SERVERNAME: number;
  readonly TEXT_VERIFIED: number;

  /** Objects of `tlsBytes`. */
  readonly BYTES_SESSION: number;
  readonly BYTES_CERTIFICATE: number;
}

/** A context of native TLS. */
export interface AddonTlsContext {
  readonly addonTlsContext: unique symbol;
}

/**
 * The functions of native/. A handle names a socket: slot index and generation in one int that is
 * never negative. A result below zero is a negated errno; a handle that is not open, or no longer
 * open, is −EBADF. Arguments of the wrong type and empty or detached buffers throw a TypeError.
 */
export interface Addon {
  /** Must equal ADDON_ABI. */
  readonly abi: number;
  readonly constants: AddonConstants;
  /** Creates a readiness queue in the event loop of this thread. `wake(count)` is called when
   *  `events` holds `count` new pairs of handle and epoll bits. */
  createPoller(events: Int32Array, wake: (count: number) => void): number;
  /** Closes the sockets of the poller and releases its arrays. */
  destroyPoller(poller: number): number;
  /** Fills `events` now, without blocking and without `wake`. Returns the number of pairs. */
  poll(poller: number): number;

  /** `mode`: permission bits of the file of a Unix socket; −1: the umask decides. */
  listen(
    poller: number,
    ...how: [...AddressArguments, backlog: number, flags: number, mode: number, ...BufferArguments]
  ): number;
  /** Returns a listening descriptor that is registered nowhere. The caller closes it. */
  listenShared(...how: [...AddressArguments, backlog: number, flags: number]): number;
  /** The address that a descriptor is bound to. */
  bound(fd: number): Endpoint | number;
  /** As `listen`, on an inherited listening descriptor. */
  adopt(poller: number, fd: number): number;
  /** A second descriptor of an inherited listener, which the caller closes or passes to `adopt`. */
  duplicate(fd: number): number;
  /** Returns the number of accepted connections. out[0] is the reason why there are no more. The
   *  records of the connections, of ACCEPT_INTS ints each, begin at out[1]. */
  accept(listener: number, out: Int32Array, most: number): number;
  /** Resets up to `most` queued connections, also if no descriptor is left. Returns the number. */
  shed(listener: number, most: number): number;
  /** The number of connections in the queue of the system. */
  queued(listener: number): number;
  /** The remote address, then the local one. */
  connect(
    poller: number,
    ...how: [...AddressArguments, ...AddressArguments, ...BufferArguments]
  ): number;
  /** 1: connected; 0: pending; negative: the reason why the attempt failed. */
  connected(handle: number): number;
  local(handle: number): Endpoint | number;
  peer(handle: number): Endpoint | number;

  /** 0: end of file. Fewer than `length` bytes: there are no more now. */
  recv(handle: number, memory: Uint8Array, offset: number, length: number): number;
  /**
   * As `recv`, for each handle batch[2 * i], from ≤ i < to; the result is in batch[2 * i + 1]. The
   * received bytes lie one after the other from the offset on, each at a multiple of 8, and each
   * receive may use all the remaining memory. Returns the number of receives before fewer than
   * `least` bytes remained.
   */
  recvEach(
    batch: Int32Array,
    from: number,
    to: number,
    memory: Uint8Array,
    offset: number,
    least: number,
  ): number;
  /** Discards the bytes in the receive queue. */
  discard(handle: number): number;
  send(handle: number, data: Uint8Array): number;
  /**
   * As `send`, of data[i] to each handle batch[2 * i], i < count ≤ MAX_PIECES; the result is in
   * batch[2 * i + 1].
   */
  sendEach(batch: Int32Array, count: number, data: readonly Uint8Array[]): void;
  /** Sends at most MAX_PIECES of the pieces. */
  sendv(handle: number, pieces: readonly Uint8Array[]): number;
  /** how: 0 receive, 1 send, 2 both */
  shutdown(handle: number, how: number): number;
  /** `code`: the index in SOCKET_OPTIONS. Values are in the units of the system. */
  getOption(handle: number, code: number): number;
  setOption(handle: number, code: number, value: number): number;
  close(handle: number, reset: number): number;

  /** Binds a datagram socket. The functions for connections return −EBADF for its handle. */
  bindDatagram(
    poller: number,
    ...how: [...AddressArguments, flags: number, ...BufferArguments]
  ): number;
  connectDatagram(handle: number, ...to: AddressArguments): number;
  /** Returns the number of datagrams. The bytes of number i begin at i * stride in `memory`, its
   *  record at i * RECORD_INTS in `records`. */
  recvDatagrams(
    handle: number,
    memory: Uint8Array,
    stride: number,
    records: Int32Array,
    most: number,
  ): number;
  /** The sender in a record. */
  sender(records: Int32Array, index: number): Endpoint;
  /** Sends the first `length` bytes of the memory. Family 0: to the peer. */
  sendDatagram(handle: number, memory: Uint8Array, length: number, ...to: AddressArguments): number;
  /** on: EPOLLOUT is reported as well, also if the socket is writable now. */
  watchSend(handle: number, on: number): number;
  datagramOption(handle: number, option: number, value: number): number;
  datagramStat(handle: number, stat: number): number;
  joinGroup(handle: number, ...addresses: GroupArguments): number;
  leaveGroup(handle: number, ...addresses: GroupArguments): number;
  multicastInterface(handle: number, ...networkInterface: AddressArguments): number;

  /** Sends `message` to the datagram socket at an address of family FAMILY_UNIX. */
  notify(...how: [...AddressArguments, message: Uint8Array]): number;

  /** Begins to look for the context that `tls.createSecureContext` creates. Returns '' or the name
   *  of what native TLS lacks in this process. */
  tlsBegin(): string;
  /** Returns the context that was created since `tlsBegin`; `undefined`: not exactly one. Without
   *  arguments it only stops looking. */
  tlsTake(flags?: number, protocols?: Uint8Array): AddonTlsContext | undefined;
  /** Starts TLS on a connection. `servername`: the name that a client requests, '' for none.
   *  `unread`: ciphertext that was received before. */
  tlsStart(
    handle: number,
    context: AddonTlsContext,
    servername: string,
    session: Uint8Array | undefined,
    unread: Uint8Array | undefined,
  ): number;
  /** Continues the handshake. 1: complete, and the functions for connections take and return
   *  plaintext; −EAGAIN: an event follows. */
  tlsHandshake(handle: number): number;
  /** accept 0: the handshake fails. No context: the one of `tlsStart`. */
  tlsChoose(handle: number, accept: number, context?: AddonTlsContext): number;
  tlsFacts(handle: number, out: Int32Array): number;
  /** '' if there is none. */
  tlsText(handle: number, which: number): string;
  /** In DER form. */
  tlsBytes(handle: number, which: number): Buffer | undefined;
  /** Sends close_notify and then ends the output of the socket. */
  tlsFinish(handle: number): number;
  /** Sends close_notify, if `notify` is 1, and closes. A positive result is the number of bytes
   *  that are not sent: the handle stays open, and the function is called again after the next
   *  event. */
  tlsClose(handle: number, notify: number): number;

  /** Open sockets and uv handles of this thread. */
  stats(): { readonly sockets: number; readonly handles: number };
}

/** Sizes of the buffers of a socket in bytes; 0: the system decides. */
type BufferArguments = [receiveBuffer: number, sendBuffer: number];

/** The group, then the interface. Family 0: no interface. Both ports are 0. */
export type GroupArguments = [...AddressArguments, ...AddressArguments];

/** The addon, or the reason why it is not available. */
export interface LoadedAddon {
  readonly addon: Addon | undefined;
  /** One sentence: the file that it was loaded from, or why it was not loaded. */
  readonly reason: string;
  /** The files that it is loaded from, in their order. Empty: this runtime cannot load any. */
  readonly files: readonly AddonFile[];
}

/** A file that may contain the addon. */
export interface AddonFile {
  readonly path: string;
  /** 'loaded', or why it was not loaded. */
  readonly state: string;
}

/** CORONET_ABI of native/coronet.h. */
const ADDON_ABI = 14;

let cached: LoadedAddon | undefined;

/** Loads the addon at the first call. Later calls return the same result. */
export function loadAddon(): LoadedAddon {
  cached ??= findAddon();
  return cached;
}

function findAddon(): LoadedAddon {
  const unsupported = unsupportedRuntime();
  if (unsupported !== undefined) return { addon: undefined, reason: unsupported, files: [] };
  const files: AddonFile[] = [];
  let addon: Addon | undefined;
  for (const path of candidates()) {
    const result = addon === undefined ? loadFrom(path) : 'not tried';
    files.push({ path, state: typeof result === 'string' ? result : 'loaded' });
    if (typeof result === 'object') addon = result;
  }
  const loaded = files.find(({ state }) => state === 'loaded');
  const reason = loaded === undefined ? whyNone(files) : `Loaded from ${loaded.path}`;
  return { addon, reason, files };
}

/**
 * Checked before a file is loaded: Bun and Deno implement Node-API, but abort the process when an
 * addon calls libuv (oven-sh/bun#18546). No error could be caught.
 */
function unsupportedRuntime(): string | undefined {
  const { bun, deno } = process.versions as Record<string, string | undefined>;
  if (bun !== undefined) return 'Bun does not have a libuv event loop';
  if (deno !== undefined) return 'Deno does not have a libuv event loop';
  if (process.platform !== 'linux') return `epoll requires Linux, this is ${process.platform}`;
  return undefined;
}

const target = `linux-${process.arch}`;

/** The file of CORONET_ADDON; or the build of this machine, then the prebuilt file. */
function candidates(): readonly string[] {
  const explicit = process.env['CORONET_ADDON'];
  if (explicit !== undefined && explicit !== '') return [resolve(explicit)];
  const prebuilt = join(packageRoot, 'prebuilds', target, 'coronet.node');
  if (bundleFile !== undefined) return [prebuilt];
  return [join(packageRoot, 'native', 'build', 'coronet.node'), prebuilt];
}

const MISSING = 'did not load: the file does not exist';

/** Returns the addon, or why it is not loaded, without the name of the file. */
function loadFrom(file: string): Addon | string {
  if (!existsSync(file)) return MISSING;
  try {
    const { createRequire } = process.getBuiltinModule('node:module');
    const addon = fastCopy(createRequire(file)(file));
    if (addon.abi === ADDON_ABI) return addon;
    return `implements version ${addon.abi} of the interface, expected ${ADDON_ABI}`;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `did not load: ${why.split('\n', 1)[0]}`;
  }
}

/**
 * V8 stores an object that was filled through Node-API as a hash table. A copy has a fixed shape,
 * and calls through it are compiled as direct calls: 100 ns less per receive.
 */
function fastCopy(exports: Addon): Addon {
  return { ...exports, constants: { ...exports.constants } };
}

/** The file that exists and did not load, or else how to get one. */
function whyNone(files: readonly AddonFile[]): string {
  const [first] = files as [AddonFile];
  const { path, state } = files.find((file) => file.state !== MISSING) ?? first;
  if (state !== MISSING || process.env['CORONET_ADDON']) return `The addon ${path} ${state}`;
  if (bundleFile === undefined) return `No addon for ${target}; build it: npx coronet build`;
  return `The addon was not found next to the bundle: expected ${path}`;
}
