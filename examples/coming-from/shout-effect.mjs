// A line server on Effect 4: node shout-effect.mjs [port]. Every line returns in capitals.
//
// A client has ten seconds for each line. At Ctrl-C, connections end at once.
import * as NodeRuntime from '@effect/platform-node/NodeRuntime';
import * as NodeSocketServer from '@effect/platform-node/NodeSocketServer';
import { Effect, Stream } from 'effect';
import * as Socket from 'effect/socket/Socket';

const port = Number(process.argv[2] ?? 25000);

const shout = Effect.fnUntraced(
  function* (socket) {
    const { write } = yield* socket.writer;
    yield* Socket.toStream(socket).pipe(
      Stream.decodeText,
      Stream.splitLines,
      Stream.timeout('10 seconds'),
      Stream.runForEach((line) => write(`${line.toUpperCase()}\n`)),
    );
  },
  Effect.scoped,
  Effect.catchTag('SocketError', () => Effect.void), // also when the client closes
);

const program = Effect.gen(function* () {
  const server = yield* NodeSocketServer.make({ host: '127.0.0.1', port });
  yield* server.run(shout);
});

NodeRuntime.runMain(Effect.scoped(program));
