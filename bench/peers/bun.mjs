// The same echo with Bun's own sockets (`Bun.listen`, one handler object for all connections).
// A write that the kernel does not take whole is kept and goes out at `drain`.

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
