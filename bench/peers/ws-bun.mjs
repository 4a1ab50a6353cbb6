// The same WebSocket servers with Bun.serve; `fanout` is its `publish`.
//
//   bun ws-bun.mjs <echo | fanout>

import { announce } from '../lib/control.mjs';

const [name = 'echo'] = process.argv.slice(2);

const handlers = {
  echo: (ws, data) => ws.send(data),
  fanout: (_, data) => server.publish('room', data),
};

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: (request, own) =>
    own.upgrade(request) ? undefined : new Response('Expected a WebSocket', { status: 426 }),
  websocket: {
    open: (ws) => ws.subscribe('room'),
    message: handlers[name],
    perMessageDeflate: false,
  },
});

announce(server.port);
