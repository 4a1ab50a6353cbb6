/** Opens and closes thousands of connections: no descriptor and no slot is leaked. */
import {
  acceptedHandle,
  acceptResults,
  addon,
  check,
  checkAllClosed,
  descriptors,
  listen,
  makePoller,
  pause,
} from './support.mjs';

const ROUNDS = 40;
const CONNECTIONS = 50;

const memory = new Uint8Array(100);

async function round(poller, { handle: listener, port }, reset) {
  const near = [];
  for (let i = 0; i < CONNECTIONS; i += 1) {
    near.push(addon.connect(poller.id, 4, '127.0.0.1', port, 0, '', 0, 0, 0));
  }
  const far = [];
  const out = acceptResults(64);
  while (far.length < CONNECTIONS) {
    const accepted = addon.accept(listener, out, 64);
    for (let i = 0; i < accepted; i += 1) far.push(acceptedHandle(out, i));
    if (accepted === 0) await pause(1);
  }
  for (const handle of near) addon.send(handle, Buffer.from('hello'));
  await pause(1);
  for (const handle of far) check(addon.recv(handle, memory, 0, 100) === 5, 'bytes arrive');
  for (const handle of [...near, ...far]) addon.close(handle, reset);
}

const before = descriptors();
const poller = makePoller();
const listener = listen(poller);
for (let i = 0; i < ROUNDS; i += 1) {
  await round(poller, listener, i % 2);
  check(addon.stats().sockets === 1, 'only the listener is open between rounds');
}
addon.destroyPoller(poller.id);
await checkAllClosed();
check(descriptors() === before, 'every descriptor is closed');
