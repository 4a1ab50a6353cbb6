/**
 * A worker that also works alone. It replies to each line with its pid and the content of the file
 * on its command line; to "busy" only after the next line. For the names in FAULTS it replies "now"
 * and executes the fault in the same step.
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

const FAULTS = {
  /** Blocks the thread indefinitely without using the processor … */
  block: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  /** … and using it. */
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
  /** Ends the program but not the process. */
  leave() {
    server.stop();
    setInterval(() => {}, 60_000);
  },
  disconnect: () => process.disconnect(),
  /** Sends unknown messages as fast as the channel accepts them. */
  flood() {
    for (let count = 0; count < 99; count++) process.send({ coronet: { kind: 'x', count } });
    process.send(['unknown'], () => setImmediate(FAULTS.flood));
  },
};

const fd = /^fd:(\d+)$/.exec(address)?.[1];
const at = fd === undefined ? address : { fd: Number(fd) };

await main(() => tcpServer(at, answer, { onListening }), { graceMs: 5000 });

function* answer(socket) {
  const reader = socket.reader();
  for (let line = yield* reader.readLine(); line !== null; line = yield* reader.readLine()) {
    if (Object.hasOwn(FAULTS, line)) {
      yield* socket.sendAll('now\n');
      yield* FAULTS[line]() ?? [];
    }
    if (line === 'busy') yield* reader.readLine();
    yield* socket.sendAll(`${process.pid} ${version}\n`);
  }
}
