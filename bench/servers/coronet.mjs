// The servers as a user writes them: limits, timeouts and counters have their defaults.
//
//   node coronet.mjs <epoll | portable | auto> <handler> <- | folder> [entry]
//
// With a folder of key.pem and cert.pem the connections use TLS. `entry` is the dist/index.js
// of another build, to compare two builds.

import { pathToFileURL } from 'node:url';
import { announce, identity } from '../lib/control.mjs';

const [backend = 'auto', name = 'echo', folder = '-', entry] = process.argv.slice(2);
const built = new URL('../../dist/index.js', import.meta.url);
const { Broadcast, group, lengthPrefixed, lines, messages, run, tcpServer } = await import(
  entry ? pathToFileURL(entry).href : built.href
);

const MAX = 65_536;

function* echo(socket) {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendAll(data);
  }
}

function* echoInto(socket) {
  const buffer = Buffer.allocUnsafe(16_384);
  for (;;) {
    const length = yield* socket.recvInto(buffer);
    if (length === 0) return;
    yield* socket.sendAll(buffer.subarray(0, length));
  }
}

function* echoBorrowed(socket) {
  for (;;) {
    const data = yield* socket.borrow();
    if (data.length === 0) return;
    yield* socket.sendAll(data);
  }
}

function* naiveLines(socket) {
  const reader = socket.reader({ max: MAX });
  const writer = socket.writer({ autoFlush: true });
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    writer.write(`${line}\n`);
  }
}

const oneByOne = (codec) =>
  function* (socket) {
    const peer = messages(socket, codec, { autoFlush: true });
    for (;;) {
      const message = yield* peer.receive();
      if (message === null) return;
      yield* peer.send(message);
    }
  };

const inBatches = (codec) =>
  function* (socket) {
    const peer = messages(socket, codec);
    for (;;) {
      const batch = yield* peer.receiveBatch();
      if (batch.length === 0) return;
      yield* peer.sendBatch(batch);
    }
  };

const room = new Broadcast({ capacity: 16, slow: 'fail' });

function* deliver(socket, subscription) {
  for (;;) {
    const { done, value } = yield* subscription.next();
    if (done) return;
    yield* socket.sendAll(value);
  }
}

function* fanout(socket) {
  yield* group(function* (tasks) {
    const subscription = room.subscribe();
    try {
      tasks.spawn(() => deliver(socket, subscription), { daemon: true });
      yield* socket.sendAll('!'); // the load waits for it
      for (;;) {
        const data = yield* socket.recv();
        if (data.length === 0) return;
        yield* room.send(data);
      }
    } finally {
      subscription.close();
    }
  });
}

const frames = lengthPrefixed({ bytes: 4, max: MAX });
const handlers = {
  echo,
  'echo-into': echoInto,
  'echo-borrow': echoBorrowed,
  lines: naiveLines,
  'lines-batch': inBatches(lines({ max: MAX })),
  frames: oneByOne(frames),
  'frames-batch': inBatches(frames),
  fanout,
};

await run(
  () =>
    tcpServer('127.0.0.1:0', handlers[name], {
      ...(folder === '-' ? {} : { tls: identity(folder) }),
      onListening: (server) => announce(server.address.port),
    }),
  { backend },
);
