/**
 * A worker, as users write them: it works alone as well. It answers each line with its number and
 * what the file says that its command line names: "busy" only when the next line has come. What
 * else it can be asked for is in DEEDS: it says "now", and does it in the same step.
 */
import { readFileSync } from 'node:fs';
import { main, tcpServer } from '../../../dist/index.js';

const [, , address, file] = process.argv;
const version = readFileSync(file, 'utf8');
if (version === 'broken') throw new Error('this version is broken');

let server;
const onListening = (listening) => {
  server = listening;
};

const DEEDS = {
  /** Holds the thread for ever, without the processor … */
  block: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  /** … and with it. */
  spin() {
    for (;;);
  },
  /** Computes for seconds, with a bare `yield` now and then. */
  *compute() {
    for (let times = 0; times < 400; times++) {
      const end = performance.now() + 10;
      while (performance.now() < end);
      yield;
    }
  },
  /** The program comes to its end, the process does not. */
  leave() {
    server.stop();
    setInterval(() => {}, 60_000);
  },
  disconnect: () => process.disconnect(),
  /** Sends what nobody understands, as fast as the channel takes it. */
  flood() {
    for (let count = 0; count < 99; count++) process.send({ coronet: { kind: 'x', count } });
    process.send(['no message of ours'], () => setImmediate(DEEDS.flood));
  },
};

const fd = /^fd:(\d+)$/.exec(address)?.[1];
const at = fd === undefined ? address : { fd: Number(fd) };

await main(() => tcpServer(at, answer, { onListening }), { graceMs: 5000 });

function* answer(socket) {
  const reader = socket.reader();
  for (let line = yield* reader.readLine(); line !== null; line = yield* reader.readLine()) {
    if (Object.hasOwn(DEEDS, line)) {
      yield* socket.sendAll('now\n');
      yield* DEEDS[line]() ?? [];
    }
    if (line === 'busy') yield* reader.readLine();
    yield* socket.sendAll(`${process.pid} ${version}\n`);
  }
}
