/** The addon writes only into memory that is there: collected and detached slabs, detached events. */
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

// A slab that JavaScript has forgotten is kept by the addon; its slices outlive it.
for (let round = 0; round < 20; round += 1) {
  let slab = new ArrayBuffer(4096);
  addon.useSlab(poller.id, slab);
  const slice = Buffer.from(slab, 0, 5);
  slab = undefined;
  churn();
  addon.send(near, Buffer.from(`msg${String(round).padStart(2, '0')}`));
  await pause(1);
  check(addon.recv(far, 0, 4096) === 5, 'five bytes arrive in the forgotten slab');
  addon.useSlab(poller.id, new ArrayBuffer(4096));
  churn();
  check(String(slice) === `msg${String(round).padStart(2, '0')}`, 'the slice keeps its bytes');
}

// Bounds.
for (const [offset, length] of [
  [0, 4097],
  [4096, 1],
  [-1, 1],
  [0, 0],
  [0, -1],
  [2 ** 31 - 1, 2 ** 31 - 1],
]) {
  check(
    throwsTypeError(() => addon.recv(far, offset, length)),
    `recv ${offset} ${length} is refused`,
  );
}

// A detached slab is refused before the system call: the bytes stay in the socket.
const doomed = new ArrayBuffer(4096);
addon.useSlab(poller.id, doomed);
detach(doomed);
addon.send(near, Buffer.from('kept'));
await pause(1);
check(
  throwsTypeError(() => addon.recv(far, 0, 4096)),
  'recv into a detached slab is refused',
);
addon.useSlab(poller.id, new ArrayBuffer(4096));
check(addon.recv(far, 0, 4096) === 4, 'the bytes are still there');

// Without its array the poller is deaf, not spinning, and can still be ended.
detach(poller.array.buffer);
addon.send(near, Buffer.from('unheard'));
await pause(5);
const turns = () => performance.nodeTiming.uvMetricsInfo.loopCount;
const before = turns();
await pause(100);
check(
  turns() - before < 500,
  `a poller without its array does not spin: ${turns() - before} turns`,
);
check(addon.poll(poller.id) === 0, 'polling finds nowhere to write');
addon.destroyPoller(poller.id);
await checkAllClosed();
