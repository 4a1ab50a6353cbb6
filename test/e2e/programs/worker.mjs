/**
 * A worker, as users write them: it works alone as well. It answers each line with its number and
 * what the file says that its command line names: "busy" only when the next line has come, and
 * "block" never, since it holds the thread for ever then.
 */
import { readFileSync } from 'node:fs';
import { main, tcpServer } from '../../../dist/index.js';

const [, , address, file] = process.argv;
const version = readFileSync(file, 'utf8');
if (version === 'broken') throw new Error('this version is broken');

await main(() => tcpServer(address, answer), { graceMs: 5000 });

function* answer(socket) {
  const reader = socket.reader();
  for (let line = yield* reader.readLine(); line !== null; line = yield* reader.readLine()) {
    if (line === 'block') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    if (line === 'busy') yield* reader.readLine();
    yield* socket.sendAll(`${process.pid} ${version}\n`);
  }
}
