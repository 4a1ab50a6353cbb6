/**
 * Helpers of the child programs. test/native.test.ts starts each program in its own process, so
 * that a crash fails only one test and descriptors can be counted. The programs call the addon
 * directly, without the TypeScript layer.
 */
import { openSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
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

/** A connected pair of handles on one poller. */
export async function connectedPair(poller) {
  const { handle: listener, port } = listen(poller);
  const near = addon.connect(poller.id, 4, '127.0.0.1', port, 0, '', 0, 0, 0);
  while (addon.connected(near) === 0) await pause(1);
  const out = new Int32Array(2);
  while (addon.accept(listener, out, 1) === 0) await pause(1);
  return { near, far: out[1], listener };
}

export function pause(ms) {
  return new Promise((resume) => setTimeout(resume, ms));
}

/** Open descriptors of this process. */
export function descriptors() {
  return readdirSync('/proc/self/fd').length;
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
