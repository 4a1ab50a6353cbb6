// A scenario for `coronet sim`: a client that retries, and a server that crashes. Every item must
// be counted in the end, and none twice.
import type { Operation, Socket } from 'coronet';
import { connect, retry, sleep, tcpServer, timeout } from 'coronet';
import type { Scenario, SimOptions, World } from 'coronet/sim';

/** The disk of the server, which survives its crash. */
class Disk {
  total = 0;
  readonly #names = new Set<string>();

  count(name: string): void {
    if (this.#names.has(name)) return; // The client has retried, because it did not see the reply.
    this.#names.add(name);
    this.total++;
  }
}

function* count(disk: Disk, socket: Socket): Operation<void> {
  const reader = socket.reader();
  for (;;) {
    const name = yield* reader.readLine();
    if (name === null) return;
    disk.count(name);
    yield* socket.sendAll('ok\n');
  }
}

function* send(name: string): Operation<void> {
  using socket = yield* connect('server:80');
  yield* socket.sendAll(`${name}\n`);
  if ((yield* socket.reader().readLine()) !== 'ok')
    throw new Error('The server has closed the connection');
}

export function* scenario(world: World): Operation<void> {
  const disk = new Disk();
  const server = world.host('server', () => tcpServer(80, (socket) => count(disk, socket)));
  world.always('none is counted twice', () => disk.total <= 3);
  world.eventually('all three are counted', () => disk.total === 3, { withinMs: 60_000 });
  world.host('client', function* () {
    for (const name of ['one', 'two', 'three']) {
      yield* retry(() => timeout(500, send(name)), { times: Infinity, delayMs: 50, jitter: 1 });
    }
  });
  yield* sleep(world.random() * 100);
  world.crash(server);
  yield* sleep(world.random() * 1000);
  world.restart(server);
}

const options: SimOptions = {
  link: { latencyMs: [1, 20], loss: 0.02 },
  faults: { resets: 0.01, shortReads: 0.2 },
};

const failover: { scenario: Scenario; options: SimOptions } = { scenario, options };

export default failover;
