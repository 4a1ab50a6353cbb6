// The same WebSocket servers with the npm package `ws` on node:http, without compression.
//
//   node ws-node.mjs <echo | fanout>

import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { announce } from '../lib/control.mjs';

const [name = 'echo'] = process.argv.slice(2);
const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });

const handlers = {
  echo: (socket, data, binary) => socket.send(data, { binary }),
  fanout: (_, data, binary) => {
    for (const one of sockets.clients) one.send(data, { binary });
  },
};

sockets.on('connection', (socket) => {
  socket.on('message', (data, binary) => handlers[name](socket, data, binary));
  socket.on('error', () => socket.terminate());
});

server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => announce(server.address().port));
