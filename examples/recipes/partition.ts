// A simulated partition: a client whose server is unreachable for a while. Every request must end,
// with a response or an error, and the client must work again after the partition.
import type { Operation, Socket } from 'coronet';
import { connect, isCancelled, pipe, sleep, tcpServer, timeout } from 'coronet';
import { simulate } from 'coronet/sim';

function* echo(socket: Socket): Operation<void> {
  yield* pipe(socket, socket);
}

/** Without the time limit, a request could wait until the end of the partition or longer. */
function* ask(): Operation<string> {
  return yield* timeout(500, function* () {
    using socket = yield* connect('server:80');
    yield* socket.sendAll('ping\n');
    return (yield* socket.reader().readLine()) ?? 'closed';
  });
}

const { runs } = await simulate(
  function* (world) {
    world.host('server', () => tcpServer(80, echo));
    let answered = 0;
    let failed = 0;
    world.host('client', function* () {
      for (;;) {
        try {
          if ((yield* ask()) === 'ping') answered++;
        } catch (error) {
          if (isCancelled(error)) throw error;
          failed++;
        }
        yield* sleep(50);
      }
    });
    yield* sleep(world.random() * 1000);
    world.partition('client', 'server');
    yield* sleep(3000);
    world.heal('client', 'server');
    const before = { answered, failed };
    if (failed === 0) throw new Error('no request has failed during the partition');
    world.eventually('the client works again', () => answered > before.answered, {
      withinMs: 5000,
    });
  },
  { runs: 100, link: { latencyMs: [1, 20] } },
);
console.log(`${runs} partitions`);

// Output:
// 100 partitions
