/**
 * Runs with few descriptors: accept returns EMFILE, the connection stays queued and is not lost.
 */
import { closeSync } from 'node:fs';
import {
  acceptedHandle,
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

const poller = makePoller();
const { handle: listener, port } = listen(poller);
const clients = [];
for (let i = 0; i < 3; i += 1) {
  clients.push(addon.connect(poller.id, 4, '127.0.0.1', port, 0, '', 0, 0, 0));
}
await pause(5);

// Use up all descriptors but one, so that the limit ends the batch.
const fillers = useUpDescriptors();
closeSync(fillers.pop());

const out = acceptResults(64);
check(addon.accept(listener, out, 64) === 1, 'one is accepted');
check(out[0] === EMFILE, `the batch reports why it ended, got ${out[0]}`);
const first = acceptedHandle(out, 0);
check(addon.accept(listener, out, 64) === 0 && out[0] === EMFILE, 'then none, for the same reason');
check(
  addon.connect(poller.id, 4, '127.0.0.1', port, 0, '', 0, 0, 0) === EMFILE,
  'connect reports it too',
);
check(addon.listen(poller.id, 4, '127.0.0.1', 0, 1, 0, -1, 0, 0) === EMFILE, 'and listen');
check(addon.createPoller(new Int32Array(2), () => {}) === EMFILE, 'and createPoller');

for (const fd of fillers) closeSync(fd);
check(addon.accept(listener, out, 64) === 2, 'the other two were kept by the system');
check(out[0] === EAGAIN, 'and now the queue is empty');
check(addon.send(clients[0], Buffer.from('x')) === 1, 'the first one works');
await pause(2);
check(addon.recv(first, new Uint8Array(10), 0, 10) === 1, 'in both directions');
addon.destroyPoller(poller.id);
await checkAllClosed();
