/** The call into JavaScript: microtasks run after it, errors surface, the poller may end in it. */
import {
  addon,
  check,
  checkAllClosed,
  connectedPair,
  listen,
  makePoller,
  pause,
} from './support.mjs';

// A thrown error is an uncaught exception, and the next wake-up comes all the same.
const uncaught = [];
process.on('uncaughtException', (error) => uncaught.push(error.message));
let wakes = 0;
const array = new Int32Array(64);
const throwing = addon.createPoller(array, () => {
  wakes += 1;
  throw new Error(`wake ${wakes}`);
});
for (let i = 1; i <= 3; i += 1) {
  const port = addon.local(addon.listen(throwing, 4, '127.0.0.1', 0, 8, 0, -1, 0, 0)).port;
  addon.connect(throwing, 4, '127.0.0.1', port, 0, '', 0, 0, 0);
  while (wakes < i) await pause(1);
}
await pause(5);
check(
  uncaught.length === wakes && uncaught[0] === 'wake 1',
  `every error surfaces, got ${uncaught}`,
);
addon.destroyPoller(throwing);

// Promises that a wake-up settles go on without waiting for anything else.
const order = [];
const settling = addon.createPoller(new Int32Array(64), () => {
  Promise.resolve().then(() => order.push('microtask'));
  process.nextTick(() => order.push('tick'));
  order.push('wake');
});
const port = addon.local(addon.listen(settling, 4, '127.0.0.1', 0, 8, 0, -1, 0, 0)).port;
addon.connect(settling, 4, '127.0.0.1', port, 0, '', 0, 0, 0);
while (order.length === 0) await pause(1);
check(
  order.slice(0, 3).join() === 'wake,tick,microtask',
  `ticks run after a wake-up, got ${order}`,
);

// A poller that ends itself inside its own wake-up.
let ended = 0;
const suicidal = addon.createPoller(new Int32Array(2), () => {
  ended += 1;
  addon.destroyPoller(suicidal);
  addon.destroyPoller(settling);
});
listen({ id: suicidal });
const { port: target } = listen({ id: suicidal });
for (let i = 0; i < 8; i += 1) addon.connect(suicidal, 4, '127.0.0.1', target, 0, '', 0, 0, 0);
while (ended === 0) await pause(1);
await checkAllClosed();
check(ended === 1, 'no wake-up after the end');

// A short array: what does not fit comes with the next wake-ups, none is lost.
const heard = new Set();
const short = new Int32Array(6);
const narrow = addon.createPoller(short, (count) => {
  check(count <= 3, 'no more than fit');
  for (let i = 0; i < count; i += 1) heard.add(short[2 * i]);
});
const { port: narrowPort } = listen({ id: narrow });
const handles = [];
for (let i = 0; i < 50; i += 1)
  handles.push(addon.connect(narrow, 4, '127.0.0.1', narrowPort, 0, '', 0, 0, 0));
await pause(50);
check(
  handles.every((handle) => heard.has(handle)),
  'every handle is heard of',
);
addon.destroyPoller(narrow);

// Polling inside a wake-up finds what has come since.
const outer = makePoller();
const { near, far } = await connectedPair(outer);
await pause(5);
outer.drain();
outer.events.length = 0;
addon.send(near, new Uint8Array(3));
outer.drain();
check(
  outer.events.some(([handle, bits]) => handle === far && (bits & 1) !== 0),
  'poll hears of it',
);
addon.destroyPoller(outer.id);
await checkAllClosed();
