/**
 * The call into JavaScript: microtasks run after it, errors are reported, and the poller can be
 * destroyed in it.
 */
import {
  addon,
  check,
  checkAllClosed,
  connectedPair,
  listen,
  makePoller,
  pause,
} from './support.mjs';

// A thrown error is an uncaught exception, and the next wake-up follows.
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

// Reactions to promises that a wake-up settles run at once.
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

// A poller that is destroyed in its own wake-up.
let ended = 0;
const selfDestroying = addon.createPoller(new Int32Array(2), () => {
  ended += 1;
  addon.destroyPoller(selfDestroying);
  addon.destroyPoller(settling);
});
listen({ id: selfDestroying });
const { port: target } = listen({ id: selfDestroying });
for (let i = 0; i < 8; i += 1)
  addon.connect(selfDestroying, 4, '127.0.0.1', target, 0, '', 0, 0, 0);
while (ended === 0) await pause(1);
await checkAllClosed();
check(ended === 1, 'no wake-up after the end');

// A short array: events that do not fit arrive with the next wake-ups.
const reported = new Set();
const short = new Int32Array(6);
const narrow = addon.createPoller(short, (count) => {
  check(count <= 3, 'no more than fit');
  for (let i = 0; i < count; i += 1) reported.add(short[2 * i]);
});
const { port: narrowPort } = listen({ id: narrow });
const handles = [];
for (let i = 0; i < 50; i += 1)
  handles.push(addon.connect(narrow, 4, '127.0.0.1', narrowPort, 0, '', 0, 0, 0));
await pause(50);
check(
  handles.every((handle) => reported.has(handle)),
  'every handle is reported',
);
addon.destroyPoller(narrow);

// Polling reports events that have occurred since the last wake-up.
const outer = makePoller();
const { near, far } = await connectedPair(outer);
await pause(5);
outer.drain();
outer.events.length = 0;
addon.send(near, new Uint8Array(3));
outer.drain();
check(
  outer.events.some(([handle, bits]) => handle === far && (bits & 1) !== 0),
  'poll reports it',
);
addon.destroyPoller(outer.id);
await checkAllClosed();
