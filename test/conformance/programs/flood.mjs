/** Keeps connections to a server busy until it is killed: flood.mjs PORT COUNT. */
import { connect } from 'node:net';

const [port, count] = process.argv.slice(2).map(Number);
const block = Buffer.alloc(10_000, 'x');

for (let i = 0; i < count; i++) {
  const socket = connect(port, '127.0.0.1', () => use(socket, i % 5));
  socket.on('error', () => {});
}

/** At the end, each kind of connection is in another state. */
function use(socket, kind) {
  if (kind === 0) return;
  if (kind === 1) socket.end('the last words');
  else pump(socket);
  if (kind !== 2) socket.resume();
}

function pump(socket) {
  while (socket.write(block));
  socket.once('drain', () => pump(socket));
}
