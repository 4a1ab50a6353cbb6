/** The addon writes only into existing memory, and only within the given part. */
import { addon, check, checkAllClosed, connectedPair, makePoller, pause } from './support.mjs';

function throwsTypeError(body) {
  try {
    body();
  } catch (error) {
    return error instanceof TypeError;
  }
  return false;
}

function detach(memory) {
  structuredClone(memory, { transfer: [memory] });
}

/** Garbage of all ages, then a full collection. */
function churn() {
  const garbage = [];
  for (let i = 0; i < 200; i += 1) garbage.push(new ArrayBuffer(65536));
  globalThis.gc?.();
}

const poller = makePoller();
const { near, far } = await connectedPair(poller);

// Received bytes do not change while memory around them is collected and moved.
for (let round = 0; round < 20; round += 1) {
  const text = `msg${String(round).padStart(2, '0')}`;
  const memory = new Uint8Array(4096);
  const slice = Buffer.from(memory.buffer, 100, 5);
  addon.send(near, Buffer.from(text));
  churn();
  await pause(1);
  check(addon.recv(far, memory, 100, 4096 - 100) === 5, 'five bytes arrive');
  churn();
  check(String(slice) === text, 'the slice keeps its bytes');
}

// Bounds: no byte is written outside the given part.
const bounded = new Uint8Array(4096);
const FAR_OUT = 2 ** 31 - 1;
const OUTSIDE = [
  [0, 4097],
  [4096, 1],
  [-1, 1],
  [0, 0],
  [0, -1],
  [FAR_OUT, FAR_OUT],
  [1, 2 ** 32],
];
for (const [offset, length] of OUTSIDE) {
  const rejected = throwsTypeError(() => addon.recv(far, bounded, offset, length));
  check(rejected, `recv of ${length} at ${offset} is rejected`);
}

// Detached memory is rejected before the system call: the bytes stay in the socket.
const doomed = new Uint8Array(4096);
detach(doomed.buffer);
addon.send(near, Buffer.from('kept'));
await pause(1);
const rejected = throwsTypeError(() => addon.recv(far, doomed, 0, 4096));
check(rejected, 'recv into detached memory is rejected');
check(addon.recv(far, bounded, 0, 4096) === 4, 'the bytes are still there');

// A batch: each receive begins at the next multiple of 8, and the last one ends with the memory.
const second = await connectedPair(poller);
const batch = Int32Array.of(far, 0, second.far, 0, far, 0);
const space = new Uint8Array(2 * 4096);
addon.send(near, Buffer.from('eleven byte'));
addon.send(second.near, Buffer.alloc(2 * 4096, 'y'));
await pause(1);
check(
  addon.recvEach(batch, 0, 3, space, 24, 4096) === 2,
  'it stops when too little memory remains',
);
const rest = space.length - 40;
check(batch[1] === 11 && batch[3] === rest && batch[5] === 0, `the results, got ${batch}`);
check(String(Buffer.from(space.buffer, 24, 11)) === 'eleven byte', 'the bytes of the first');
check(space[23] === 0 && space[35] === 0 && space[39] === 0, 'nothing between them');
check(space[40] === 0x79 && space.at(-1) === 0x79, 'the bytes of the second');
check(addon.recvEach(batch, 1, 3, space, 0, 4096) === 2, 'it begins at `from`');
check(batch[1] === 11 && batch[3] === 40 && batch[5] === -11, `the results, got ${batch}`);
check(
  addon.recvEach(batch, 0, 1, space, 4097, 4096) === 0,
  'it does not begin with too little memory',
);
for (const [from, to, offset, least] of [
  [-1, 1, 0, 4096],
  [0, 4, 0, 4096],
  [2, 1, 0, 4096],
  [0, 1, -1, 4096],
  [0, 1, 0, 0],
]) {
  const rejected = throwsTypeError(() => addon.recvEach(batch, from, to, space, offset, least));
  check(rejected, `recvEach from ${from} to ${to} at ${offset} is rejected`);
}
check(
  throwsTypeError(() => addon.recvEach(batch, 0, 1, doomed, 0, 4096)),
  'recvEach into detached memory is rejected',
);

// A getter that detaches an earlier piece runs before any pointer is taken.
const early = new Uint8Array(1000).fill(0x65);
const pieces = [early, Buffer.from('replaced by the getter')];
Object.defineProperty(pieces, 1, {
  get() {
    detach(early.buffer);
    churn();
    return Buffer.from('late');
  },
});
check(addon.sendv(near, pieces) === 4, 'only the piece that has memory is sent');
await pause(1);
check(addon.recv(far, bounded, 0, 4096) === 4, 'no byte of the detached piece arrives');
check(String(Buffer.from(bounded.buffer, 0, 4)) === 'late', 'the bytes of the other piece arrive');

// Without its array the poller reports no events, does not spin, and can be destroyed.
detach(poller.array.buffer);
addon.send(near, Buffer.from('not reported'));
await pause(5);
const turns = () => performance.nodeTiming.uvMetricsInfo.loopCount;
const before = turns();
await pause(100);
check(
  turns() - before < 500,
  `a poller without its array does not spin: ${turns() - before} turns`,
);
check(addon.poll(poller.id) === 0, 'poll reports no events');
addon.destroyPoller(poller.id);
await checkAllClosed();
