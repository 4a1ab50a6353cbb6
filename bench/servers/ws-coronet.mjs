// WebSocket servers with coronet/ws: limits, timeouts and pings have their defaults.
//
//   node ws-coronet.mjs <epoll | portable | auto> <echo | fanout | fanout-unprepared> [entry]
//
// `entry` is the dist/index.js of another build, to compare two builds.

import { pathToFileURL } from 'node:url';
import { announce } from '../lib/control.mjs';

const [backend = 'auto', name = 'echo', entry] = process.argv.slice(2);
const built = entry ? pathToFileURL(entry) : new URL('../../dist/index.js', import.meta.url);
const { Broadcast, group, run } = await import(built.href);
const { prepareMessage, wsServer } = await import(new URL('ws.js', built).href);

function* echo(ws) {
  for (;;) {
    const data = yield* ws.receive();
    if (data === null) return;
    yield* ws.send(data);
  }
}

const room = new Broadcast({ capacity: 16, slow: 'fail' });

function* deliver(ws, subscription) {
  for (;;) {
    const { done, value } = yield* subscription.next();
    if (done) return;
    yield* ws.send(value);
  }
}

const fanout = (prepare) =>
  function* (ws) {
    yield* group(function* (tasks) {
      const subscription = room.subscribe();
      try {
        tasks.spawn(() => deliver(ws, subscription), { daemon: true });
        for (;;) {
          const data = yield* ws.receive();
          if (data === null) return;
          yield* room.send(prepare(data));
        }
      } finally {
        subscription.close();
      }
    });
  };

const handlers = {
  echo,
  fanout: fanout(prepareMessage),
  'fanout-unprepared': fanout((data) => data),
};

await run(
  () =>
    wsServer('127.0.0.1:0', handlers[name], {
      onListening: (server) => announce(server.address.port),
    }),
  { backend },
);
