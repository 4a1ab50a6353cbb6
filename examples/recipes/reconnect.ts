// A client that keeps one connection: when it ends, the client connects again and subscribes again.
// The server of this simulation crashes and restarts.
import type { Operation, Socket } from 'coronet';
import { connect, isCancelled, retry, sleep, tcpServer } from 'coronet';
import { simulate } from 'coronet/sim';

/** Calls `use` with a connection, again and again, until it returns true. */
function* keepConnected(use: (socket: Socket) => Operation<boolean>): Operation<void> {
  const attempts = { times: Infinity, delayMs: 50, maxDelayMs: 5000, jitter: true };
  for (;;) {
    using socket = yield* retry(() => connect('server:80', { timeoutMs: 1000 }), attempts);
    try {
      if (yield* use(socket)) return;
    } catch (error) {
      if (isCancelled(error)) throw error;
    }
    yield* sleep(50); // A server that ends each connection at once is not flooded.
  }
}

function* count(socket: Socket): Operation<void> {
  const from = Number(yield* socket.reader().readLine());
  for (let number = from; ; number++) {
    yield* socket.sendAll(`${number}\n`);
    yield* sleep(100);
  }
}

await simulate(
  function* (world) {
    const server = world.host('server', () => tcpServer(80, count));
    const received: string[] = [];
    world.host('client', () =>
      keepConnected(function* (socket) {
        yield* socket.sendAll(`${received.length}\n`); // resumes where it was
        while (received.length < 20) {
          const line = yield* socket.reader().readLine();
          if (line === null) return false;
          received.push(line);
        }
        return true;
      }),
    );
    yield* sleep(1000);
    world.crash(server);
    yield* sleep(3000);
    world.restart(server);
    world.eventually('20 numbers in order', () => received.length === 20, {
      withinMs: 60_000,
    });
    world.always('no number is missing', () => received.every((text, i) => text === `${i}`));
  },
  { runs: 20 },
);
console.log('20 simulated crashes: every number arrived, in order');

// Output:
// 20 simulated crashes: every number arrived, in order
