// The load of a relay without a C compiler: the protocol of bulk.c over node:net.
//
//   node bulk.mjs <port> <pairs> <window>
//
// It costs more than most relays and is the bottleneck: compare CPU per GB, not rates. It compares
// every byte in `check`, only the number of bytes in `run`.

import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const PERIOD = 251;
const PIECE = 262_144;
const [port, count, window] = process.argv.slice(2).map(Number);
const pattern = Buffer.from(Array.from({ length: PIECE + PERIOD }, (_, i) => i % PERIOD));
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

let comparing = true;
let goal = 0; // the number of bytes that every pair sends and receives
let unfinished = 0;
let whenFinished; // resolves the promise of the run, or of a pair's first byte

function fail(what) {
  process.stderr.write(`load: ${what}\n`);
  process.exit(1);
}

function slice(pair, offset, length) {
  const from = (offset + pair.phase) % PERIOD;
  return pattern.subarray(from, from + length);
}

function push(pair) {
  for (;;) {
    const length = Math.min(PIECE, goal - pair.sent, pair.received + window - pair.sent);
    if (length === 0 || pair.in.writableNeedDrain) return; // `pull` or 'drain' calls this again
    const piece = slice(pair, pair.sent, length);
    pair.sent += length;
    pair.in.write(piece);
  }
}

function pull(pair, data) {
  for (let at = 0; comparing && at < data.length; at += PIECE) {
    const part = data.subarray(at, at + PIECE);
    if (!part.equals(slice(pair, pair.received + at, part.length))) {
      fail('what came out differs from what was sent');
    }
  }
  pair.received += data.length;
  if (pair.received > pair.sent) fail('more came out than was sent');
  if (pair.received < goal) push(pair);
  else if (--unfinished === 0) whenFinished();
}

async function dial() {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  socket.on('error', (error) => fail(error.message));
  socket.on('end', () => fail('the relay closed a connection'));
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

/** Moves another `bytes` over every pair. */
async function move(pairs, bytes) {
  const finished = new Promise((resolve) => {
    whenFinished = resolve;
  });
  goal += bytes;
  unfinished = pairs.length;
  for (const pair of pairs) push(pair);
  await finished;
}

async function open(phase) {
  const pair = { phase, in: await dial(), out: await dial(), sent: 0, received: 0 };
  pair.in.on('drain', () => push(pair));
  pair.out.on('data', (data) => pull(pair, data));
  goal = 0;
  await move([pair], 1);
  return pair;
}

async function run(pairs, bytes) {
  const before = process.cpuUsage();
  const start = process.hrtime.bigint();
  await move(pairs, bytes);
  const ns = Number(process.hrtime.bigint() - start);
  const { user, system } = process.cpuUsage(before);
  print({ bytes: bytes * pairs.length, ns, user, sys: system });
}

const pairs = [];
for (let i = 0; i < count; i++) pairs.push(await open(i));
print({ pairs: count });
for await (const line of createInterface({ input: process.stdin })) {
  const [command, bytes] = line.split(' ');
  comparing = command === 'check';
  await run(pairs, Number(bytes));
}
process.exit(0);
