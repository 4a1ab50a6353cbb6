/** A handle of a closed socket is -EBADF everywhere, also after its slot has been used again. */
import {
  addon,
  check,
  checkAllClosed,
  connectedPair,
  descriptors,
  EBADF,
  listen,
  makePoller,
} from './support.mjs';

const before = descriptors();
const poller = makePoller();
const { near, far, listener } = await connectedPair(poller);
addon.close(near, 0);

const bytes = new Uint8Array(8);
const answers = {
  close: addon.close(near, 0),
  recv: addon.recv(near, bytes, 0, 8),
  send: addon.send(near, bytes),
  sendv: addon.sendv(near, [bytes]),
  discard: addon.discard(near),
  shutdown: addon.shutdown(near, 2),
  getOption: addon.getOption(near, 0),
  setOption: addon.setOption(near, 0, 1),
  local: addon.local(near),
  peer: addon.peer(near),
  connected: addon.connected(near),
  accept: addon.accept(near, new Int32Array(2), 1),
};
for (const [name, answer] of Object.entries(answers)) {
  check(answer === EBADF, `${name} of a stale handle is -EBADF, got ${answer}`);
}

// The slots go round more than twice; none of these sockets may answer to the old handle.
const seen = new Set([near]);
for (let i = 0; i < 1500; i += 1) {
  const { handle } = listen(poller);
  check(handle >= 0 && !seen.has(handle), 'a handle is not used again soon');
  seen.add(handle);
  check(addon.send(near, bytes) === EBADF, 'the old handle stays stale');
  addon.close(handle, 0);
}

// Forged handles: every generation of one slot.
for (let generation = 0; generation < 2048; generation += 1) {
  const forged = (generation << 20) | 300;
  check(addon.connected(forged) === EBADF, 'a forged handle finds nothing');
}

for (const handle of [far, listener]) addon.close(handle, 1);
check(addon.destroyPoller(poller.id) === 0, 'the poller ends');
for (const call of ['destroyPoller', 'poll']) {
  check(addon[call](poller.id) === EBADF, `${call} of an ended poller is -EBADF`);
}
await checkAllClosed();
check(descriptors() === before, 'every descriptor is closed');
