// The same relay with node:net: `from.pipe(to)`, which pauses `from` while `to` is full.

import { createServer } from 'node:net';
import { announce } from '../lib/control.mjs';

let single; // the first connection of an incomplete pair

function join(from, to) {
  from.on('error', () => to.destroy());
  to.on('error', () => from.destroy());
  from.pipe(to);
}

const server = createServer({ noDelay: true }, (socket) => {
  if (single) join(single, socket);
  single = single ? undefined : socket;
});

server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => announce(server.address().port));
