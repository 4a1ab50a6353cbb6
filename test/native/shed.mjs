/**
 * Runs with few descriptors: shed uses the spare descriptor to reset the oldest connections, and
 * keeps it. The listener may be inherited.
 */
import { closeSync } from 'node:fs';
import {
  acceptResults,
  addon,
  check,
  checkAllClosed,
  EAGAIN,
  EMFILE,
  listen,
  makePoller,
  pause,
  useUpDescriptors,
} from './support.mjs';

const EBADF = -9;
const ECONNRESET = -104;

/** A listener that the addon treats as inherited. */
function adopt(poller) {
  const fd = addon.listenShared(4, '127.0.0.1', 0, 128, 0);
  return { handle: addon.adopt(poller.id, fd), port: addon.bound(fd).port };
}

for (const listenAt of [listen, adopt]) {
  const poller = makePoller();
  const { handle: listener, port } = listenAt(poller);
  const clients = [];
  for (let i = 0; i < 5; i += 1) {
    clients.push(addon.connect(poller.id, 4, '127.0.0.1', port, 0, '', 0, 0, 0));
  }
  await pause(5);

  const fillers = useUpDescriptors();

  const out = acceptResults(64);
  check(addon.accept(listener, out, 64) === 0 && out[0] === EMFILE, 'nothing can be accepted');
  check(addon.shed(listener, 2) === 2, 'two are shed');
  check(addon.shed(listener, 1) === 1, 'the spare descriptor was taken back: one more is');
  await pause(5);
  const bytes = new Uint8Array(10);
  for (const [i, client] of clients.entries()) {
    const received = addon.recv(client, bytes, 0, 10);
    check(received === (i < 3 ? ECONNRESET : EAGAIN), `the oldest are reset, got ${received}`);
  }
  check(addon.accept(listener, out, 64) === 0 && out[0] === EMFILE, 'no descriptor is left');

  for (const fd of fillers) closeSync(fd);
  check(addon.accept(listener, out, 64) === 2, 'the others were kept by the system');
  check(addon.shed(listener, 64) === 0, 'the queue is empty');
  check(addon.shed(clients[0], 1) === 0, 'a connection sheds none');
  addon.close(listener, 0);
  check(addon.shed(listener, 1) === EBADF, 'a closed listener is rejected');
  addon.destroyPoller(poller.id);
}
await checkAllClosed();
