// The same echo with what Node offers: `data` in, `write` out. Backpressure is left to the load's
// closed loop, which never has more than its pipelining depth outstanding: the cheapest form that
// node:net has, so the comparison favours it.

import { createServer } from 'node:net';
import { announce } from '../lib/control.mjs';

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (data) => socket.write(data));
  socket.on('error', () => socket.destroy());
});

server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => announce(server.address().port));
