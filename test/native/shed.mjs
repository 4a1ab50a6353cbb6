/** Runs with few descriptors: shed makes room with the spare one, resets the oldest, keeps it. Also
 *  where the listener was inherited. */
import { closeSync } from 'node:fs';
import {
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

/** A listener that was inherited, as far as the addon can tell. */
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

  const out = new Int32Array(65);
  check(addon.accept(listener, out, 64) === 0 && out[0] === EMFILE, 'nothing can be accepted');
  check(addon.shed(listener, 2) === 2, 'two are shed');
  check(addon.shed(listener, 1) === 1, 'the spare descriptor was taken back: one more is');
  await pause(5);
  const bytes = new Uint8Array(10);
  for (const [i, client] of clients.entries()) {
    const received = addon.recv(client, bytes, 0, 10);
    check(received === (i < 3 ? ECONNRESET : EAGAIN), `the oldest are reset, got ${received}`);
  }
  check(addon.accept(listener, out, 64) === 0 && out[0] === EMFILE, 'there is still none left');

  for (const fd of fillers) closeSync(fd);
  check(addon.accept(listener, out, 64) === 2, 'the others were kept by the system');
  check(addon.shed(listener, 64) === 0, 'nobody waits any more');
  check(addon.shed(clients[0], 1) === 0, 'what is no listener sheds nobody');
  addon.close(listener, 0);
  check(addon.shed(listener, 1) === EBADF, 'a closed one is known');
  addon.destroyPoller(poller.id);
}
await checkAllClosed();
