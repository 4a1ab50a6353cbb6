/**
 * TLS sessions that are cut at every byte, and sessions with changed bytes. The ciphertext passes
 * through two plain connections in between:
 *
 *   client ── middle ══ this program ══ middle ── server
 *
 * A session that is cut is never reported as complete, and no changed byte crashes the process.
 */
import assert from 'node:assert/strict';
import {
  addon,
  checkAllClosed,
  clientContext,
  connectedPair,
  EAGAIN,
  makePoller,
  pause,
  RECV_MORE,
  serverContext,
} from './support.mjs';

const FUZZED_SESSIONS = 300;
const EVERY = Number(process.env.CORONET_TEST_CUT_EVERY ?? 1);
const poller = makePoller();
const server = serverContext();
const client = clientContext();
const scratch = Buffer.alloc(65_536);

/** A pseudo-random generator, so that every run makes the same changes. */
let seed = 7;
function random(bound) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * bound);
}

class Session {
  static async open() {
    const left = await connectedPair(poller);
    const right = await connectedPair(poller);
    return new Session(left, right);
  }

  constructor(left, right) {
    for (const { listener } of [left, right]) addon.close(listener, 0);
    this.client = { handle: left.near, open: false, received: 0, end: EAGAIN };
    this.server = { handle: right.far, open: false, received: 0, end: EAGAIN };
    this.middles = [left.far, right.near];
    this.passed = [0, 0];
    addon.tlsStart(left.near, client, 'localhost');
    addon.tlsStart(right.far, server, '');
  }

  /** Continues one end: handshake, then a message and close_notify, and receives. */
  step(end, message) {
    if (!end.open) {
      const result = addon.tlsHandshake(end.handle);
      if (result !== 1) {
        if (result !== EAGAIN) end.end = result;
        return;
      }
      end.open = true;
      addon.send(end.handle, message);
      addon.tlsFinish(end.handle);
    }
    const result = addon.recv(end.handle, scratch, 0, scratch.length);
    if (result > 0) end.received += result & ~RECV_MORE;
    else if (result !== EAGAIN) end.end = result;
  }

  /** Moves bytes from one middle to the other. `change` returns the bytes to send. */
  forward(from, change) {
    const count = addon.recv(this.middles[from], scratch, 0, 1 + random(4000));
    if (count === 0) return void addon.shutdown(this.middles[1 - from], 1);
    if (count < 0) return;
    const data = change(Buffer.from(scratch.subarray(0, count)), this.passed[from], from);
    this.passed[from] += count;
    if (data.length > 0) addon.send(this.middles[1 - from], data);
  }

  async run(change) {
    for (let round = 0; round < 60; round += 1) {
      this.step(this.client, Buffer.alloc(200, 'c'));
      this.forward(0, change);
      this.step(this.server, Buffer.alloc(300, 's'));
      this.forward(1, change);
      if (this.client.end !== EAGAIN && this.server.end !== EAGAIN) break;
      if (round % 8 === 7) await pause(0);
    }
  }

  close() {
    for (const handle of [this.client.handle, this.server.handle, ...this.middles]) {
      addon.close(handle, 0);
    }
  }
}

async function whole() {
  const session = await Session.open();
  await session.run((data) => data);
  session.close();
  assert.deepEqual([session.client.received, session.client.end], [300, 0]);
  assert.deepEqual([session.server.received, session.server.end], [200, 0]);
  return session.passed;
}

/** Cuts the bytes of one direction after `limit` bytes, and ends that direction. */
async function cut(direction, limit) {
  const session = await Session.open();
  await session.run((data, at, from) => {
    if (from !== direction) return data;
    const passing = data.subarray(0, Math.max(0, limit - at));
    if (at + data.length < limit) return passing;
    if (passing.length > 0) addon.send(session.middles[1 - from], passing);
    addon.shutdown(session.middles[1 - from], 1);
    return Buffer.alloc(0);
  });
  const reader = direction === 0 ? session.server : session.client;
  session.close();
  // The length of a session varies with its signatures, so the last cuts may be after its end.
  const isCut = session.passed[direction] > limit;
  assert.notEqual(
    isCut && reader.end,
    0,
    `cut after ${limit} bytes, direction ${direction}: an end of file`,
  );
  assert.notEqual(reader.end, EAGAIN, `cut after ${limit} bytes, direction ${direction}: no end`);
}

async function fuzzed() {
  const session = await Session.open();
  const target = random(1500);
  await session.run((data, at) => {
    for (let i = 0; i < data.length; i += 1) {
      if (at + i === target || random(4000) === 0) data[i] ^= 1 << random(8);
    }
    return random(200) === 0 ? Buffer.concat([data, data.subarray(0, random(64))]) : data;
  });
  session.close();
}

const lengths = await whole();
for (const direction of [0, 1]) {
  for (let limit = 0; limit < lengths[direction] - 1; limit += EVERY) await cut(direction, limit);
}
for (let i = 0; i < FUZZED_SESSIONS; i += 1) await fuzzed();
addon.destroyPoller(poller.id);
await checkAllClosed();
