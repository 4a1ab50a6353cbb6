// The load without a C compiler: the protocol of load.c over node:net.
//
//   node load.mjs <port> <connections> <size> <depth>
//
// It costs more than most servers and is the bottleneck: compare CPU per message, not rates. It
// compares every byte in `check`, only the number of bytes in `run`.

import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const PERIOD = 251;
const [port, count, size, depth] = process.argv.slice(2).map(Number);
const pattern = Buffer.from(
  Array.from({ length: size * depth + 65536 + PERIOD }, (_, i) => i % PERIOD),
);
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

let running = false;
let comparing = true;
let sentTotal = 0;
let receivedTotal = 0;
let whenDrained; // resolves the promise of the run, or of a connection's first echo

function fail(what) {
  process.stderr.write(`load: ${what}\n`);
  process.exit(1);
}

function push(conn, goal) {
  if (goal <= conn.sent) return;
  const from = (conn.sent + conn.phase) % PERIOD;
  const length = goal - conn.sent;
  conn.sent = goal;
  sentTotal += length;
  conn.socket.write(pattern.subarray(from, from + length));
}

function verify(conn, data) {
  const from = (conn.received + conn.phase) % PERIOD;
  if (pattern.compare(data, 0, data.length, from, from + data.length) !== 0) {
    fail('the echo differs from what was sent');
  }
}

function pull(conn, data) {
  if (comparing) verify(conn, data);
  conn.received += data.length;
  receivedTotal += data.length;
  if (conn.received > conn.sent) fail('more came back than was sent');
  if (running) push(conn, (Math.floor(conn.received / size) + depth) * size);
  else if (receivedTotal === sentTotal) whenDrained();
}

async function open(phase) {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  const conn = { socket, phase, sent: 0, received: 0 };
  socket.on('error', (error) => fail(error.message));
  socket.on('end', () => fail('the server closed a connection'));
  socket.on('data', (data) => pull(conn, data));
  const echoed = new Promise((resolve) => {
    whenDrained = resolve;
  });
  push(conn, size);
  await echoed;
  return conn;
}

async function run(conns, ms) {
  const before = process.cpuUsage();
  const start = process.hrtime.bigint();
  const bytes = receivedTotal;
  const drained = new Promise((resolve) => {
    whenDrained = resolve;
  });
  running = true;
  for (const conn of conns) push(conn, conn.sent + depth * size);
  setTimeout(() => {
    running = false;
    if (receivedTotal === sentTotal) whenDrained();
  }, ms);
  await drained;
  const ns = Number(process.hrtime.bigint() - start);
  const { user, system } = process.cpuUsage(before);
  print({ messages: (receivedTotal - bytes) / size, ns, user, sys: system });
}

const conns = [];
for (let i = 0; i < count; i++) conns.push(await open(i));
print({ connections: count });
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ms] = line.split(' ');
  comparing = command === 'check';
  await run(conns, Number(ms));
}
process.exit(0);
