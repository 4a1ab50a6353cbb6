/** The ends of connections of a server: what waits is accepted, and the last word arrives. */
import type { Operation, Server, Socket } from 'coronet';
import { connect, group, listen, serve, sleep } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { Chance, HOSTILE, LOSSY, must, receiveAll } from './support.ts';

/**
 * A server is stopped while connections wait to be accepted: they are served like the others. The
 * request that stops it and the last packets of the handshakes come at one moment.
 */
function* queuedAtTheEnd(world: World): Operation<void> {
  const chance = new Chance(world);
  const crowd = chance.integer(1, 8);
  let server: Server | undefined;
  let handled = 0;
  const handler = function* (socket: Socket): Operation<void> {
    handled++;
    const request = yield* socket.reader().readLine();
    if (request === 'stop') server?.stop();
    yield* socket.sendAll(`${request}, too`);
  };
  world.host('server', function* () {
    const onListening = (listening: Server): void => {
      server = listening;
    };
    yield* serve(yield* listen(80), handler, { onListening });
  });
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => askOnce('stop', 20));
    yield* sleep(20);
    for (let i = 0; i < crowd; i++) tasks.spawn(() => askOnce(`client ${i}`, 0));
  });
  must(handled === crowd + 1, `${handled} of ${crowd + 1} connections had a handler`);
}

function* askOnce(name: string, pauseMs: number): Operation<void> {
  using socket = yield* connect('10.0.0.2:80');
  yield* sleep(pauseMs);
  yield* socket.sendAll(`${name}\n`);
  const answer = String(yield* receiveAll(socket));
  must(answer === `${name}, too`, `${name} was told: ${answer}`);
}

/** A handler answers and returns while its peer still sends: a plain close would be a reset. */
function* interrupted(world: World): Operation<void> {
  const chance = new Chance(world);
  const answer = chance.bytes(chance.pick([10, 1000, 60_000]));
  world.host('server', function* () {
    const listener = yield* listen(80);
    const handler = function* (socket: Socket): Operation<void> {
      yield* socket.recv(1);
      yield* socket.sendAll(answer);
    };
    yield* serve(listener, handler, { lingerMs: 600_000 });
  });
  using socket = yield* connect('server:80');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(function* () {
      for (let i = chance.integer(1, 5); i > 0; i--) {
        yield* socket.sendAll(chance.bytes(chance.integer(1, 5000)));
        yield* sleep(chance.integer(0, 40));
      }
      socket.shutdown('send');
    });
    const got = yield* receiveAll(socket);
    must(got.equals(answer), `${got.length} of the ${answer.length} bytes of the answer came`);
  });
}

export const queuedLast: Campaign = {
  name: 'queued-last',
  shows: 'connections that wait when the server is stopped are served',
  scenario: queuedAtTheEnd,
  options: { link: { latencyMs: [5, 5] } },
};

export const lastWords: Campaign = {
  name: 'last-words',
  shows: 'the last answer arrives, though the peer still sends',
  scenario: interrupted,
  options: { faults: HOSTILE, link: LOSSY },
};
