/**
 * Helpers of the child programs. test/native.test.ts starts each program in its own process, so
 * that a crash fails only one test and descriptors can be counted. The programs call the addon
 * directly, without the TypeScript layer.
 */
import { openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createSecureContext } from 'node:tls';
import { fileURLToPath } from 'node:url';

const BUILT = fileURLToPath(new URL('../../native/build/coronet.node', import.meta.url));

export const addon = createRequire(import.meta.url)(process.env['CORONET_ADDON'] || BUILT);

if (process.env['CORONET_TEST_COLLECT']) setInterval(globalThis.gc, 1).unref();

export const EBADF = -9;
export const EAGAIN = -11;
export const EMFILE = -24;

/** A poller that records its events as pairs. */
export function makePoller() {
  const array = new Int32Array(512);
  const events = [];
  const keep = (count) => {
    for (let i = 0; i < 2 * count; i += 2) events.push([array[i], array[i + 1]]);
  };
  const id = addon.createPoller(array, keep);
  return { id, array, events, drain: () => keep(addon.poll(id)) };
}

export function listen(poller) {
  const handle = addon.listen(poller.id, 4, '127.0.0.1', 0, 128, 0, -1, 0, 0);
  return { handle, port: addon.local(handle).port };
}

export function bindDatagram(poller, flags = 0) {
  const handle = addon.bindDatagram(poller.id, 4, '127.0.0.1', 0, flags, 0, 0);
  return { handle, port: addon.local(handle).port };
}

/** Memory for the results of an `accept` of `most` connections. */
export function acceptResults(most) {
  return new Int32Array(1 + most * addon.constants.ACCEPT_INTS);
}

/** The handle of connection number `index` of an `accept`. */
export function acceptedHandle(out, index) {
  const { ACCEPT_INTS, ACCEPT_HANDLE } = addon.constants;
  return out[1 + index * ACCEPT_INTS + ACCEPT_HANDLE];
}

/** A connected pair of handles on one poller. */
export async function connectedPair(poller) {
  const { handle: listener, port } = listen(poller);
  const near = addon.connect(poller.id, 4, '127.0.0.1', port, 0, '', 0, 0, 0);
  while (addon.connected(near) === 0) await pause(1);
  const out = acceptResults(1);
  while (addon.accept(listener, out, 1) === 0) await pause(1);
  return { near, far: acceptedHandle(out, 0), listener };
}

export function pause(ms) {
  return new Promise((resume) => setTimeout(resume, ms));
}

/** Open descriptors of this process. */
export function descriptors() {
  return readdirSync('/proc/self/fd').filter((fd) => !isFile(fd)).length;
}

/** Node reads some files in the background at its start (NODE_EXTRA_CA_CERTS); the addon none. */
function isFile(fd) {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith('/');
  } catch {
    return true; // the descriptor of the folder itself, which is closed now
  }
}

export function check(truth, what) {
  if (!truth) throw new Error(`Expected: ${what}`);
}

/** Checks that no socket is open. libuv closes handles in one of the next turns of its loop. */
export async function checkAllClosed() {
  const isOpen = ({ sockets, handles }) => sockets > 0 || handles > 0;
  for (let turns = 0; turns < 100 && isOpen(addon.stats()); turns++) await pause(1);
  check(!isOpen(addon.stats()), `none open, got ${JSON.stringify(addon.stats())}`);
}

/** Opens files until the limit is reached. Returns their descriptors. */
export function useUpDescriptors() {
  const fillers = [];
  try {
    for (;;) fillers.push(openSync('/dev/null'));
  } catch (error) {
    check(error.code === 'EMFILE', `the limit is met, got ${error.code}`);
  }
  return fillers;
}

// ---- TLS ----

/** A file in test/support/certificates. */
export function pem(name) {
  return readFileSync(new URL(`../support/certificates/${name}.pem`, import.meta.url));
}

export const { TLS_SERVER, TLS_FAILED, TLS_TRUNCATED, RECV_MORE } = addon.constants;

/** A context of the addon. `kept` holds its SecureContext. */
export function tlsContext(options, flags = 0, protocols = undefined) {
  const missing = addon.tlsBegin();
  check(missing === '', `native TLS is available, but ${missing} is missing`);
  const secureContext = createSecureContext(options);
  kept.push(secureContext);
  return addon.tlsTake(flags, protocols);
}

const kept = [];

export function serverContext(flags = 0, protocols = undefined) {
  const identity = { cert: pem('server.cert'), key: pem('server.key') };
  return tlsContext(identity, TLS_SERVER | flags, protocols);
}

export function clientContext(protocols = undefined) {
  return tlsContext({ ca: pem('ca.cert') }, 0, protocols);
}

/** Continues both handshakes until they are complete or one has failed. */
export async function completeHandshakes(...handles) {
  const results = new Map(handles.map((handle) => [handle, EAGAIN]));
  for (let round = 0; round < 200; round += 1) {
    for (const [handle, result] of results) {
      if (result === EAGAIN) results.set(handle, addon.tlsHandshake(handle));
    }
    const all = [...results.values()];
    if (all.every((result) => result === 1) || all.some((r) => r !== 1 && r !== EAGAIN)) break;
    await pause(0);
  }
  return handles.map((handle) => results.get(handle));
}

/** A connected pair with TLS. */
export async function securePair(poller, server = serverContext(), client = clientContext()) {
  const pair = await connectedPair(poller);
  check(addon.tlsStart(pair.near, client, 'localhost') === 0, 'the client starts');
  check(addon.tlsStart(pair.far, server, '') === 0, 'the server starts');
  const results = await completeHandshakes(pair.near, pair.far);
  check(`${results}` === '1,1', `both handshakes complete, got ${results}`);
  return pair;
}

/** Receives until `length` bytes are there, or an end: [bytes, result of the last receive]. */
export async function receiveUpTo(handle, length) {
  const memory = Buffer.alloc(Math.max(length, 1));
  let filled = 0;
  for (let round = 0; round < 5000; round += 1) {
    if (filled === length) return [memory.subarray(0, filled), filled];
    const result = addon.recv(handle, memory, filled, length - filled);
    if (result > 0) filled += result & ~RECV_MORE;
    else if (result !== EAGAIN) return [memory.subarray(0, filled), result];
    else await pause(0);
  }
  return [memory.subarray(0, filled), EAGAIN];
}
