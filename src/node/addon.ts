/**
 * The native addon: what it offers, and how it is found.
 *
 * The addon is optional. `loadAddon` never throws: it answers with the addon, or with one sentence
 * that says why there is none, which `coronet doctor` prints.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Endpoint } from '../world/network.ts';

/**
 * The functions of native/. A socket is named by its handle: slot index and generation in one int,
 * never negative. A result below zero is a negated errno; −EBADF for a handle that is not open (or
 * no longer). Arguments of the wrong type, empty and detached buffers throw a TypeError.
 */
export interface Addon {
  /** Must equal ADDON_ABI. */
  readonly abi: number;
  /** A readiness queue in this thread's event loop. `wake(count)` is called when `events` holds
   *  `count` new pairs of handle and epoll bits. */
  createPoller(events: Int32Array, wake: (count: number) => void): number;
  /** Closes its sockets and lets its arrays go. */
  destroyPoller(poller: number): number;
  /** Fills `events` now, without blocking and without `wake`; how many pairs. */
  poll(poller: number): number;

  listen(
    poller: number,
    family: number,
    host: string,
    port: number,
    backlog: number,
    flags: number,
    /** Permission bits of a Unix socket's file; −1: what the umask leaves. */
    mode: number,
    /** Bytes; 0: the system's choice. */
    receiveBuffer: number,
    sendBuffer: number,
  ): number;
  /** A listening descriptor, registered nowhere; the caller closes it. Flags as of listen. */
  hold(family: number, host: string, port: number, backlog: number, flags: number): number;
  /** Where a descriptor is bound. */
  bound(fd: number): Endpoint | number;
  /** As listen, on a listening descriptor that was inherited. */
  adopt(poller: number, fd: number): number;
  /** How many were accepted; their handles are in out[1..], why there are no more in out[0]. */
  accept(listener: number, out: Int32Array, most: number): number;
  /** Resets up to `most` queued connections, also where no descriptor is left; how many. */
  shed(listener: number, most: number): number;
  /** Connections that wait in the system's queue. */
  queued(listener: number): number;
  connect(
    poller: number,
    family: number,
    host: string,
    port: number,
    localFamily: number,
    localHost: string,
    localPort: number,
    receiveBuffer: number,
    sendBuffer: number,
  ): number;
  /** 1: connected, 0: under way, below: why the attempt failed. */
  connected(handle: number): number;
  local(handle: number): Endpoint | number;
  peer(handle: number): Endpoint | number;

  /** 0: end of file. Fewer than `length`: there is no more now. */
  recv(handle: number, memory: Uint8Array, offset: number, length: number): number;
  /**
   * As recv, for each handle batch[2 * i], from ≤ i < to; the result is in batch[2 * i + 1]. The
   * bytes lie one after the other from the offset on, each beginning at a multiple of 8, and each
   * receive is offered all the rest. How many were made before less than 4096 bytes were left.
   */
  recvEach(batch: Int32Array, from: number, to: number, memory: Uint8Array, offset: number): number;
  /** Throws away what is there to receive. */
  discard(handle: number): number;
  send(handle: number, data: Uint8Array): number;
  /** At most 64 pieces are looked at. */
  sendv(handle: number, pieces: readonly Uint8Array[]): number;
  /** how: 0 receive, 1 send, 2 both */
  shutdown(handle: number, how: number): number;
  /** By the place in the table of native/options.c; values in the system's units. */
  getOption(handle: number, code: number): number;
  setOption(handle: number, code: number, value: number): number;
  close(handle: number, reset: number): number;

  /** A bound datagram socket; the functions for connections answer −EBADF to its handle. */
  bindDatagram(
    poller: number,
    family: number,
    host: string,
    port: number,
    flags: number,
    recvBuffer: number,
    sendBuffer: number,
  ): number;
  connectDatagram(handle: number, family: number, host: string, port: number): number;
  /** How many: the bytes of each at i * stride in the memory, nine ints for each in `records`. */
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
  sendDatagram(
    handle: number,
    memory: Uint8Array,
    length: number,
    family: number,
    host: string,
    port: number,
  ): number;
  /** on: EPOLLOUT is reported as well, also if it holds now. */
  watchSend(handle: number, on: number): number;
  /** option: 0 broadcast, 1 ttl, 2 multicast ttl, 3 multicast loopback */
  datagramOption(handle: number, option: number, value: number): number;
  /** figure: 0 receive buffer, 1 send buffer, 2 dropped */
  datagramFigure(handle: number, figure: number): number;
  /** The group, then the interface, each as an endpoint with port 0; no interface: family 0. */
  joinGroup(
    handle: number,
    family: number,
    group: string,
    port: number,
    byFamily: number,
    by: string,
    byPort: number,
  ): number;
  leaveGroup(
    handle: number,
    family: number,
    group: string,
    port: number,
    byFamily: number,
    by: string,
    byPort: number,
  ): number;
  multicastInterface(handle: number, family: number, by: string, port: number): number;

  /** Sends `message` to the datagram socket at `path`; family 1, port 0. */
  notify(family: number, path: string, port: number, message: Uint8Array): number;

  /** What is open in this thread; all zero when nothing is. */
  stats(): { readonly sockets: number; readonly handles: number };
}

/** The addon, or why there is none. */
export interface LoadedAddon {
  readonly addon: Addon | undefined;
  /** One sentence for people: where it was loaded from, or why it was not. */
  readonly reason: string;
}

/** CORONET_ABI of native/coronet.h. */
const ADDON_ABI = 9;

/** Two levels up, from src/node/addon.ts as well as from dist/rooms/node.js. */
const PACKAGE_ROOT = fileURLToPath(new URL('../..', import.meta.url));

let cached: LoadedAddon | undefined;

/** Loads the addon once; later calls give the same answer. */
export function loadAddon(): LoadedAddon {
  cached ??= findAddon();
  return cached;
}

function findAddon(): LoadedAddon {
  const unfit = unsupportedRuntime();
  if (unfit !== undefined) return { addon: undefined, reason: unfit };
  const explicit = process.env['CORONET_ADDON'];
  if (explicit !== undefined && explicit !== '') return loadFrom(resolve(explicit));
  const file = candidates().find((path) => existsSync(path));
  if (file !== undefined) return loadFrom(file);
  const target = `linux-${process.arch}-${libc()}`;
  return {
    addon: undefined,
    reason: `There is no addon for ${target}; native/build.mjs builds it`,
  };
}

/**
 * Asked before anything is loaded: Bun and Deno answer Node-API calls, but end the process when an
 * addon touches libuv (oven-sh/bun#18546), and no error could be caught.
 */
function unsupportedRuntime(): string | undefined {
  const { bun, deno } = process.versions as Record<string, string | undefined>;
  if (bun !== undefined) return 'Bun has no libuv event loop that an addon could join';
  if (deno !== undefined) return 'Deno has no libuv event loop that an addon could join';
  if (process.platform !== 'linux') return `epoll is a part of Linux; this is ${process.platform}`;
  return undefined;
}

/** Ready-made files of the package first, then what was built in this checkout. */
function candidates(): string[] {
  return [
    join(PACKAGE_ROOT, 'prebuilds', `linux-${process.arch}-${libc()}.node`),
    join(PACKAGE_ROOT, 'native', 'build', 'coronet.node'),
  ];
}

/** musl's dynamic loader is mapped into every process that runs on it. */
function libc(): 'glibc' | 'musl' {
  try {
    return readFileSync('/proc/self/maps', 'utf8').includes('/ld-musl-') ? 'musl' : 'glibc';
  } catch {
    return 'glibc';
  }
}

/**
 * V8 keeps an object that was filled through Node-API as a hash table. A copy has a fixed shape,
 * and calls through it are compiled as direct calls: 100 ns less per receive.
 */
function fastCopy(exports: Addon): Addon {
  return { ...exports };
}

function loadFrom(file: string): LoadedAddon {
  try {
    const addon = fastCopy(createRequire(import.meta.url)(file));
    if (addon.abi === ADDON_ABI) return { addon, reason: `Loaded from ${file}` };
    const made = `made for version ${addon.abi} of the interface, ${ADDON_ABI} is needed`;
    return { addon: undefined, reason: `The addon ${file} is ${made}` };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { addon: undefined, reason: `The addon ${file} did not load: ${why.split('\n', 1)[0]}` };
  }
}
