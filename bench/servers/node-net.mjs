// The same servers with node:net or node:tls: `data` and `write`. They ignore backpressure, because
// the load bounds the outstanding bytes. This is the cheapest form in Node, so the comparison
// favours it.
//
//   node node-net.mjs <handler> <- | folder of key.pem and cert.pem>

import { createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { announce, identity } from '../lib/control.mjs';
import { splitFrames, splitLines } from './split.mjs';

const [name = 'echo', folder = '-'] = process.argv.slice(2);

const echo = (socket) => socket.on('data', (data) => socket.write(data));

const respond = (makeSplit) => (socket) => {
  const split = makeSplit();
  socket.on('data', (data) => {
    const response = split(data);
    if (response) socket.write(response);
  });
};

const subscribers = new Set();

function fanout(socket) {
  subscribers.add(socket);
  socket.on('close', () => subscribers.delete(socket));
  socket.write('!'); // the load waits for it
  socket.on('data', (data) => {
    for (const one of subscribers) one.write(data);
  });
}

const handlers = { echo, lines: respond(splitLines), frames: respond(splitFrames), fanout };

function serve(socket) {
  socket.on('error', () => socket.destroy());
  handlers[name](socket);
}

const options = { noDelay: true };
const server =
  folder === '-'
    ? createServer(options, serve)
    : createTlsServer({ ...options, ...identity(folder) }, serve);
server.on('tlsClientError', () => undefined); // a client that resets during its handshake
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => announce(server.address().port));
