// The same echo server with node:net: `data` and `write`. It ignores backpressure, because the
// closed loop of the load bounds the outstanding bytes. This is the cheapest form in node:net, so
// the comparison favours it.

import { createServer } from 'node:net';
import { announce } from '../lib/control.mjs';

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (data) => socket.write(data));
  socket.on('error', () => socket.destroy());
});

server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => announce(server.address().port));
