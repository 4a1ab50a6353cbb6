/**
 * The program exits inside a wake-up: process.exit on the main thread (exit code 7), or, with the
 * argument "worker", process.exit in a wake-up of a worker, after which the main thread continues.
 */
import { isMainThread, Worker } from 'node:worker_threads';
import { addon, check, checkAllClosed, listen } from './support.mjs';

function exitInWake() {
  const id = addon.createPoller(new Int32Array(64), () => process.exit(7));
  const { port } = listen({ id });
  addon.connect(id, 4, '127.0.0.1', port, 0, '', 0, 0, 0);
  setInterval(() => {}, 1000);
}

if (isMainThread && process.argv[2] === 'worker') {
  const worker = new Worker(new URL(import.meta.url));
  const code = await new Promise((resume) => worker.once('exit', resume));
  check(code === 7, `the worker exits with 7, got ${code}`);
  await checkAllClosed();
} else {
  exitInWake();
}
