/** TLS between two connections of the addon: data of all sizes, facts, sessions, ends. */
import assert from 'node:assert/strict';
import {
  addon,
  check,
  checkAllClosed,
  clientContext,
  completeHandshakes,
  connectedPair,
  EAGAIN,
  EBADF,
  makePoller,
  pause,
  RECV_MORE,
  receiveUpTo,
  securePair,
  serverContext,
  TLS_FAILED,
  TLS_TRUNCATED,
  tlsContext,
} from './support.mjs';

const { constants } = addon;
const EPIPE = -32;
const ECONNRESET = -104;
const poller = makePoller();
const bytes = (length) => Buffer.from({ length }, (_, i) => i & 255);

/** Sends all pieces, in as many calls as it takes, while the other end receives. */
async function transfer(from, to, pieces) {
  const whole = Buffer.concat(pieces);
  const receiving = receiveUpTo(to, whole.length);
  let rest = whole;
  for (let first = true; rest.length > 0; first = false) {
    const sent = first ? addon.sendv(from, pieces) : addon.send(from, rest);
    if (sent > 0) rest = rest.subarray(sent);
    else check(sent === EAGAIN, `the socket is full, got ${sent}`);
    poller.drain(); // Sends what is left of earlier calls.
    await pause(0);
  }
  for (let i = 0; i < 20; i += 1) poller.drain();
  const [received] = await receiving;
  check(received.equals(whole), `all ${whole.length} bytes arrive`);
}

/** Receives what was sent, while the poller sends the rest of it. */
async function receiveRest(to, whole) {
  const receiving = receiveUpTo(to, whole.length);
  for (let i = 0; i < 200; i += 1) {
    poller.drain();
    await pause(0);
  }
  const [received] = await receiving;
  check(received.equals(whole), `all ${whole.length} bytes arrive`);
}

async function sizes() {
  const { near, far } = await securePair(poller);
  for (const length of [1, 63, 16_383, 16_384, 16_385, 65_535, 65_537, 300_000, 3_000_000]) {
    await transfer(near, far, [bytes(length)]);
  }
  await transfer(
    far,
    near,
    Array.from({ length: 64 }, (_, i) => bytes(1 + i * 37)),
  );
  await transfer(far, near, [bytes(10), bytes(40_000), bytes(1), bytes(100_000), bytes(7)]);
  assert.equal(addon.sendv(near, []), 0);
  assert.equal(addon.recv(near, Buffer.alloc(8), 0, 8), EAGAIN);
  addon.close(near, 0);
  addon.close(far, 0);
}

/** A receive of one byte leaves the rest to the next one, in the engine and as ciphertext. */
async function smallReceives() {
  const { near, far } = await securePair(poller);
  const sent = bytes(5000);
  for (let i = 0; i < 10; i += 1) addon.send(near, sent.subarray(i * 500, (i + 1) * 500));
  await pause(5);
  const received = Buffer.alloc(5000);
  for (let i = 0; i < 5000; i += 1) assert.equal(addon.recv(far, received, i, 1), 1);
  check(received.equals(sent), 'the bytes are in order');
  addon.close(near, 0);
  addon.close(far, 0);
}

async function batches() {
  const pairs = [await securePair(poller), await securePair(poller), await securePair(poller)];
  for (const { near } of pairs) addon.send(near, bytes(100));
  await pause(5);
  addon.tlsClose(pairs[1].near, 1);
  await pause(5);
  const batch = Int32Array.from(pairs.flatMap(({ far }) => [far, 0]));
  const memory = Buffer.alloc(65_536);
  assert.equal(addon.recvEach(batch, 0, 3, memory, 0, 4096), 3);
  assert.deepEqual(
    [...batch].filter((_, i) => i % 2),
    [100, 100 | RECV_MORE, 100],
  );
  check(memory.subarray(104, 204).equals(bytes(100)), 'the second message begins at 104');
  assert.equal(addon.recv(pairs[1].far, memory, 0, 8), 0);
  assert.equal(addon.recv(pairs[1].far, memory, 0, 8), 0);
  for (const { near, far } of pairs) {
    addon.close(near, 0);
    addon.close(far, 0);
  }
}

async function facts() {
  const protocols = Buffer.from('\x02h2\x08http/1.1');
  const server = serverContext(0, protocols);
  const { near, far } = await securePair(poller, server, clientContext(protocols));
  const out = new Int32Array(constants.FACT_INTS);
  assert.equal(addon.tlsFacts(near, out), 0);
  assert.equal(out[constants.FACT_VERSION], 0x0304);
  assert.equal(out[constants.FACT_VERIFIED], 0);
  assert.equal(out[constants.FACT_RESUMED], 0);
  assert.equal(addon.tlsText(near, constants.TEXT_ALPN), 'h2');
  assert.equal(addon.tlsText(far, constants.TEXT_SERVERNAME), 'localhost');
  assert.match(addon.tlsText(near, constants.TEXT_CIPHER), /^TLS_/);
  assert.ok(addon.tlsBytes(near, constants.BYTES_CERTIFICATE).length > 100);
  assert.equal(addon.tlsBytes(far, constants.BYTES_CERTIFICATE), undefined);
  addon.close(near, 0);
  addon.close(far, 0);
}

async function sessions() {
  const server = serverContext();
  const client = clientContext();
  const first = await securePair(poller, server, client);
  await transfer(first.far, first.near, [bytes(1)]);
  const session = addon.tlsBytes(first.near, constants.BYTES_SESSION);
  const { near, far } = await connectedPair(poller);
  addon.tlsStart(near, client, 'localhost', session);
  addon.tlsStart(far, server, '');
  await completeHandshakes(near, far);
  const out = new Int32Array(constants.FACT_INTS);
  addon.tlsFacts(far, out);
  assert.equal(out[constants.FACT_RESUMED], 1);
  for (const handle of [first.near, first.far, near, far]) addon.close(handle, 0);
}

async function ends() {
  const { near, far } = await securePair(poller);
  addon.send(near, bytes(10));
  assert.equal(addon.tlsFinish(near), 0);
  assert.equal(addon.send(near, bytes(1)), -32);
  await pause(5);
  assert.equal(addon.recv(far, Buffer.alloc(64), 0, 64), 10 | RECV_MORE);
  assert.equal(addon.recv(far, Buffer.alloc(64), 0, 64), 0);
  assert.equal(addon.send(far, bytes(20)), 20);
  assert.equal(addon.tlsClose(far, 1), 0);
  assert.equal(addon.tlsClose(far, 1), EBADF);
  assert.deepEqual(await receiveUpTo(near, 20), [bytes(20), 20]);
  addon.close(near, 0);
  const cut = await securePair(poller);
  addon.shutdown(cut.near, 1); // The end of the socket, without close_notify.
  assert.equal((await receiveUpTo(cut.far, 1))[1], TLS_TRUNCATED);
  assert.equal(addon.recv(cut.far, Buffer.alloc(1), 0, 1), TLS_TRUNCATED);
  addon.close(cut.near, 0);
  addon.close(cut.far, 0);
}

/** Records that are sent alone arrive whole, also the one of which the socket has taken a part. */
async function fullSocket() {
  const { near, far } = await securePair(poller);
  const records = [];
  for (let i = 0; ; i += 1) {
    const record = Buffer.alloc(16_000, i);
    if (addon.send(near, record) === EAGAIN) break;
    records.push(record);
  }
  await receiveRest(far, Buffer.concat(records));
  assert.equal(addon.send(near, bytes(10)), 10);
  assert.deepEqual(await receiveUpTo(far, 10), [bytes(10), 10]);
  addon.close(near, 0);
  addon.close(far, 0);
}

/** A connection that was reset is closed at once, and has nothing to send. */
async function resets() {
  const { near, far } = await securePair(poller);
  addon.close(near, 1);
  await pause(5);
  assert.equal(addon.recv(far, Buffer.alloc(8), 0, 8), ECONNRESET);
  assert.equal(addon.send(far, bytes(10)), EPIPE);
  assert.equal(addon.tlsClose(far, 1), 0);
  assert.equal(addon.tlsClose(far, 1), EBADF);
}

/** Sends until bytes are unsent. Returns the number of bytes. */
function fillSocket(handle) {
  let sent = 0;
  for (;;) {
    const count = addon.send(handle, bytes(65_536));
    if (count === EAGAIN) return sent;
    sent += count;
  }
}

/** Closes a connection with unsent bytes. The system may have made room for them since the last
 *  attempt to send; then this is repeated with another connection. */
async function closeWithUnsentBytes() {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const { near, far } = await securePair(poller);
    const sent = fillSocket(near);
    if (addon.tlsClose(near, 1) > 0) return { near, far, sent };
    addon.close(far, 0);
  }
  throw new Error('Expected unsent bytes');
}

/** The unsent bytes of a closed connection are sent by later calls. */
async function unsentBytes() {
  const { near, far, sent } = await closeWithUnsentBytes();
  const receiving = receiveUpTo(far, sent + 1);
  for (let round = 0; addon.tlsClose(near, 1) > 0 && round < 5000; round += 1) await pause(0);
  const [received, end] = await receiving;
  assert.deepEqual([received.length, end], [sent, 0]);
  addon.close(far, 0);
}

async function failures() {
  const { near, far } = await connectedPair(poller);
  addon.tlsStart(far, serverContext(), '');
  addon.send(near, Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  const results = await completeHandshakes(far);
  assert.deepEqual(results, [TLS_FAILED]);
  assert.match(addon.tlsText(far, constants.TEXT_ERROR), /http request/);
  assert.equal(addon.recv(far, Buffer.alloc(1), 0, 1), TLS_FAILED);
  assert.equal(addon.send(far, bytes(1)), TLS_FAILED);
  assert.equal(addon.tlsStart(far, serverContext(), ''), -22);
  assert.equal(addon.tlsStart(near, clientContext(), 'x'.repeat(256)), -22);
  assert.throws(() => addon.tlsStart(near, {}, ''), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => tlsContext({}, 0, Buffer.from('\x05h2')), { code: 'ERR_INVALID_ARG_TYPE' });
  addon.close(near, 0);
  addon.close(far, 0);
}

/** tlsTake finds nothing unless exactly one context was made. */
function captures() {
  addon.tlsBegin();
  assert.equal(addon.tlsTake(0), undefined);
  assert.equal(addon.tlsTake(0), undefined);
}

await sizes();
await smallReceives();
await batches();
await facts();
await sessions();
await ends();
await fullSocket();
await resets();
await unsentBytes();
await failures();
captures();
addon.destroyPoller(poller.id);
await checkAllClosed();
