/**
 * For any arguments the result is an integer, an object or a TypeError: no crash, no other error.
 */
import {
  addon,
  bindDatagram,
  check,
  checkAllClosed,
  clientContext,
  connectedPair,
  makePoller,
  securePair,
  serverContext,
} from './support.mjs';

function detached(make) {
  const gone = make();
  structuredClone(gone, { transfer: [gone.buffer ?? gone] });
  return gone;
}

const hostile = {
  valueOf() {
    throw new Error('valueOf was called');
  },
  get length() {
    throw new Error('length was read');
  },
};

const VALUES = [
  ...[undefined, null, true, 0, 1, -1, 7, 1e9, -1e9, 2 ** 40, Number.NaN, Infinity, 0.5, 10n],
  ...['', '127.0.0.1', '::1', '::1%nowhere', 'x'.repeat(5000), '\0', 'a\0b', Symbol('s'), '\ud800'],
  ...[{}, [], hostile, () => {}, new Proxy({}, {}), new Proxy([], {}), new Date(), /x/, new Map()],
  ...[
    new ArrayBuffer(0),
    new ArrayBuffer(8),
    new SharedArrayBuffer(8),
    new DataView(new ArrayBuffer(8)),
  ],
  ...[
    new Uint8Array(0),
    new Uint8Array(8),
    new Int32Array(0),
    new Int32Array(1),
    new Float64Array(2),
  ],
  ...[detached(() => new ArrayBuffer(8)), detached(() => new Uint8Array(8))],
  ...[
    detached(() => new Int32Array(8)),
    Buffer.from('text'),
    new Uint8Array(new SharedArrayBuffer(8)),
  ],
  ...[
    [new Uint8Array(8)],
    [1, 2],
    [undefined],
    [detached(() => new Uint8Array(8))],
    new Array(1000),
  ],
];

/** A pseudo-random generator, so that every run makes the same calls. */
let seed = 42;
function random(bound) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * bound);
}

const ANSWERS = ['number', 'object', 'string', 'undefined'];

function callWith(name, args) {
  try {
    const result = addon[name](...args);
    check(ANSWERS.includes(typeof result), `${name} answers plainly`);
  } catch (error) {
    check(error instanceof TypeError, `${name} throws a TypeError, got ${error}`);
    check(error.code === 'ERR_INVALID_ARG_TYPE', `${name} sets a code`);
  }
}

const poller = makePoller();
const { near, far, listener } = await connectedPair(poller);
const { handle: datagram } = bindDatagram(poller);
const context = clientContext();
const { near: secure } = await securePair(poller, serverContext(), context);
const HANDLES = [near, far, listener, datagram, secure, poller.id];
VALUES.push(context);

/** Calls with one value at a time, with a real handle first, and with random values. */
function callBadly(name) {
  callWith(name, []);
  for (const value of VALUES) callWith(name, [value]);
  for (const handle of HANDLES) {
    for (const value of VALUES) callWith(name, [handle, value, 1]);
  }
  for (let i = 0; i < 500; i += 1) {
    const args = Array.from({ length: random(11) }, () => VALUES[random(VALUES.length)]);
    callWith(name, random(2) ? args : [HANDLES[random(HANDLES.length)], ...args]);
  }
}

/** These close the sockets that the others use, so they are called last. */
const LAST = ['shutdown', 'tlsFinish', 'tlsClose', 'close', 'destroyPoller'];
const names = Object.keys(addon).filter((name) => typeof addon[name] === 'function');
for (const name of names.filter((name) => !LAST.includes(name))) callBadly(name);
for (const name of LAST) callBadly(name);

// Random calls may have created pollers with any id.
for (let id = 0; id < 100_000; id += 1) {
  if (addon.destroyPoller(id) < 0 && id > 10_000) break;
}
await checkAllClosed();
