// The same servers with the sockets of Bun (`Bun.listen`, one handler object for all connections).
// The rest of a partial write is sent at `drain`.
//
//   bun bun.mjs <handler> <- | folder of key.pem and cert.pem>

import { announce, identity } from '../lib/control.mjs';
import { splitFrames, splitLines } from '../servers/split.mjs';

const [name = 'echo', folder = '-'] = process.argv.slice(2);
const subscribers = new Set();

function put(socket, data) {
  const state = socket.data;
  if (state.rest) {
    state.rest = Buffer.concat([state.rest, data]);
    return;
  }
  const sent = socket.write(data);
  if (sent >= 0 && sent < data.length) state.rest = Buffer.from(data.subarray(sent));
}

const respond = (makeSplit) => ({
  open: (socket) => {
    socket.data = { split: makeSplit() };
  },
  data: (socket, data) => {
    const response = socket.data.split(data);
    if (response) put(socket, response);
  },
});

const handlers = {
  echo: {
    open: (socket) => {
      socket.data = {};
    },
    data: put,
  },
  lines: respond(splitLines),
  frames: respond(splitFrames),
  fanout: {
    open: (socket) => {
      socket.data = {};
      subscribers.add(socket);
      socket.write('!'); // the load waits for it
    },
    data: (_, data) => {
      for (const one of subscribers) put(one, data);
    },
    close: (socket) => subscribers.delete(socket),
  },
};

function drain(socket) {
  const { rest } = socket.data;
  socket.data.rest = undefined;
  if (rest) put(socket, rest);
}

const server = Bun.listen({
  hostname: '127.0.0.1',
  port: 0,
  ...(folder === '-' ? {} : { tls: identity(folder) }),
  socket: { drain, error: () => undefined, ...handlers[name] },
});

announce(server.port);
