/** The handle of a closed socket is -EBADF everywhere, also after its slot was reused. */
import {
  addon,
  bindDatagram,
  check,
  checkAllClosed,
  clientContext,
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
const context = clientContext();

function recvEach(handle) {
  const batch = Int32Array.of(handle, 0);
  addon.recvEach(batch, 0, 1, new Uint8Array(4096), 0, 4096);
  return batch[1];
}

/** The functions for connections and listeners. */
const forStreams = (handle) => ({
  recv: addon.recv(handle, bytes, 0, 8),
  recvEach: recvEach(handle),
  send: addon.send(handle, bytes),
  sendv: addon.sendv(handle, [bytes]),
  discard: addon.discard(handle),
  shutdown: addon.shutdown(handle, 2),
  getOption: addon.getOption(handle, 0),
  setOption: addon.setOption(handle, 0, 1),
  connected: addon.connected(handle),
  accept: addon.accept(handle, new Int32Array(5), 1),
  tlsStart: addon.tlsStart(handle, context, ''),
  tlsHandshake: addon.tlsHandshake(handle),
  tlsChoose: addon.tlsChoose(handle, 1),
  tlsFacts: addon.tlsFacts(handle, new Int32Array(16)),
  tlsFinish: addon.tlsFinish(handle),
  tlsClose: addon.tlsClose(handle, 1),
});

/** The functions for datagram sockets. */
const forDatagrams = (handle) => ({
  connectDatagram: addon.connectDatagram(handle, 4, '127.0.0.1', 9),
  recvDatagrams: addon.recvDatagrams(handle, bytes, 8, new Int32Array(9), 1),
  sendDatagram: addon.sendDatagram(handle, bytes, 8, 4, '127.0.0.1', 9),
  watchSend: addon.watchSend(handle, 1),
  datagramOption: addon.datagramOption(handle, 0, 1),
  datagramStat: addon.datagramStat(handle, 0),
  joinGroup: addon.joinGroup(handle, 4, '239.1.2.3', 0, 0, '', 0),
  leaveGroup: addon.leaveGroup(handle, 4, '239.1.2.3', 0, 0, '', 0),
  multicastInterface: addon.multicastInterface(handle, 4, '127.0.0.1', 0),
});

function allRejected(answers, whose) {
  for (const [name, answer] of Object.entries(answers)) {
    check(answer === EBADF, `${name} of ${whose} is -EBADF, got ${answer}`);
  }
}

const common = { local: addon.local(near), peer: addon.peer(near), close: addon.close(near, 0) };
allRejected({ ...common, ...forStreams(near), ...forDatagrams(near) }, 'a stale handle');

// A handle of the other kind is stale, and its socket is not affected.
const { handle: datagram } = bindDatagram(poller);
allRejected(forStreams(datagram), 'a datagram socket');
for (const stream of [far, listener]) allRejected(forDatagrams(stream), 'a stream');
check(addon.local(datagram).host === '127.0.0.1', 'the datagram socket is still there');
addon.close(datagram, 0);

// Every slot is reused more than twice; no socket may have the old handle.
const seen = new Set([near]);
for (let i = 0; i < 1500; i += 1) {
  const { handle } = listen(poller);
  check(handle >= 0 && !seen.has(handle), 'a handle is not reused soon');
  seen.add(handle);
  check(addon.send(near, bytes) === EBADF, 'the old handle stays stale');
  addon.close(handle, 0);
}

// Forged handles: every generation of one slot.
for (let generation = 0; generation < 2048; generation += 1) {
  const forged = (generation << addon.constants.INDEX_BITS) | 300;
  check(addon.connected(forged) === EBADF, 'a forged handle is rejected');
}

for (const handle of [far, listener]) addon.close(handle, 1);
check(addon.destroyPoller(poller.id) === 0, 'the poller ends');
for (const call of ['destroyPoller', 'poll']) {
  check(addon[call](poller.id) === EBADF, `${call} of an ended poller is -EBADF`);
}
await checkAllClosed();
check(descriptors() === before, 'every descriptor is closed');
