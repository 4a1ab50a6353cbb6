/** Ends of server connections: queued connections are served, and the final answer arrives. */
import type { Operation, Server, Socket } from 'coronet';
import { connect, group, listen, serve, sleep } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { check, HOSTILE, LOSSY, Random, receiveAll } from './support.ts';

/**
 * A server is stopped while connections wait to be accepted. They are served like the others. The
 * request that stops the server and the last packets of the handshakes arrive at the same time.
 */
function* queuedAtTheEnd(world: World): Operation<void> {
  const random = new Random(world);
  const clientCount = random.integer(1, 8);
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
    for (let i = 0; i < clientCount; i++) tasks.spawn(() => askOnce(`client ${i}`, 0));
  });
  check(handled === clientCount + 1, `${handled} of ${clientCount + 1} connections were handled`);
}

function* askOnce(name: string, pauseMs: number): Operation<void> {
  using socket = yield* connect('10.0.0.2:80');
  yield* sleep(pauseMs);
  yield* socket.sendAll(`${name}\n`);
  const answer = String(yield* receiveAll(socket));
  check(answer === `${name}, too`, `${name} received: ${answer}`);
}

/** A handler answers and returns while its peer sends: closing at once would reset the answer. */
function* answerDuringInput(world: World): Operation<void> {
  const random = new Random(world);
  const answer = random.bytes(random.pick([10, 1000, 60_000]));
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
      for (let i = random.integer(1, 5); i > 0; i--) {
        yield* socket.sendAll(random.bytes(random.integer(1, 5000)));
        yield* sleep(random.integer(0, 40));
      }
      socket.shutdown('send');
    });
    const received = yield* receiveAll(socket);
    check(received.equals(answer), `${received.length} of ${answer.length} bytes arrived`);
  });
}

export const queuedAtStop: Campaign = {
  name: 'queued-at-stop',
  shows: 'connections in the queue of a stopped server are served',
  scenario: queuedAtTheEnd,
  options: { link: { latencyMs: [5, 5] } },
};

export const finalAnswer: Campaign = {
  name: 'final-answer',
  shows: 'the final answer arrives although the peer still sends',
  scenario: answerDuringInput,
  options: { faults: HOSTILE, link: LOSSY },
};
