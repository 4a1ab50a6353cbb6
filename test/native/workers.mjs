/**
 * 200 worker threads, four at a time, each terminated while it serves a connection; half of them
 * with TLS.
 */
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Worker } from 'node:worker_threads';
import { check, checkAllClosed, descriptors, pause, pem } from './support.mjs';

const WORKERS = Number(process.env['CORONET_TEST_WORKERS'] || 200);
const AT_ONCE = 4;

function once(emitter, event) {
  return new Promise((resolve, reject) => {
    emitter.once(event, resolve);
    emitter.once('error', reject);
  });
}

async function serveOnce(tls) {
  const worker = new Worker(new URL('./serving-worker.mjs', import.meta.url), {
    workerData: { tls },
  });
  const at = { port: await once(worker, 'message'), host: '127.0.0.1' };
  const socket = tls ? connectTls({ ...at, ca: pem('ca.cert') }) : connect(at);
  socket.write('ping');
  const reply = await once(socket, 'data');
  check(String(reply) === 'ping', 'the worker echoes');
  socket.on('error', () => {}); // The end of the worker may cause a reset.
  const closed = new Promise((resume) => socket.once('close', resume));
  socket.write('more'); // The worker may be in its wake-up when it ends.
  await worker.terminate();
  await closed;
}

async function series(_, index) {
  for (let i = 0; i < WORKERS / AT_ONCE; i += 1) await serveOnce(index % 2 === 0);
}

for (const tls of [true, false]) await serveOnce(tls);
const before = descriptors();
await Promise.all(Array.from({ length: AT_ONCE }, series));
await pause(20);
check(
  descriptors() <= before,
  `every descriptor is closed: ${before} before, ${descriptors()} now`,
);
await checkAllClosed();
