// The same echo server with the sockets of Bun (`Bun.listen`, one handler object for all
// connections). The rest of a partial write is sent at `drain`.

import { announce } from '../lib/control.mjs';

function put(socket, data) {
  const sent = socket.write(data);
  if (sent >= 0 && sent < data.length) socket.data = Buffer.from(data.subarray(sent));
}

const server = Bun.listen({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    data(socket, data) {
      if (socket.data) socket.data = Buffer.concat([socket.data, data]);
      else put(socket, data);
    },
    drain(socket) {
      const rest = socket.data;
      socket.data = undefined;
      if (rest) put(socket, rest);
    },
  },
});

announce(server.port);
