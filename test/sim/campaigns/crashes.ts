/** Clients that retry, a server that crashes and restarts, links that are cut and healed. */
import type { Operation, Socket } from 'coronet';
import { connect, retry, sleep, tcpServer, timeout } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { check, DESTRUCTIVE, LOSSY, Random, WorkingHosts } from './support.ts';

/** The disk of the server, which survives its crashes. */
class Disk {
  readonly totals: Map<string, number> = new Map();
  readonly done: Set<string> = new Set();
  starts = 0;

  /** Counts a request once, even if it is sent several times. */
  add(request: string, account: string): number {
    const before = this.totals.get(account) ?? 0;
    if (this.done.has(request)) return before;
    this.done.add(request);
    this.totals.set(account, before + 1);
    return before + 1;
  }
}

function* handle(disk: Disk, socket: Socket): Operation<void> {
  const reader = socket.reader();
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    const [request = '', account = ''] = line.split(' ');
    yield* socket.sendAll(`${request} ${disk.add(request, account)}\n`);
  }
}

/** Sends one request on a new connection and returns the answer. */
function* sendRequest(request: string, account: string): Operation<string> {
  using socket = yield* connect('server:80');
  yield* socket.sendAll(`${request} ${account}\n`);
  const line = yield* socket.reader().readLine();
  check(
    line?.startsWith(`${request} `) !== false,
    `Expected the answer to ${request}, got ${line}`,
  );
  if (line === null) throw new Error('The server has closed the connection');
  return line;
}

function* count(account: string, requests: number): Operation<void> {
  for (let i = 1; i <= requests; i++) {
    const request = `${account}/${i}`;
    const answer = yield* retry(() => timeout(2000, () => sendRequest(request, account)), {
      times: Infinity,
      delayMs: 50,
      factor: 1.1,
      jitter: 1,
    });
    check(answer === `${request} ${i}`, `Expected ${request} ${i}, got ${answer}`);
  }
}

function* disturb(world: World, random: Random): Operation<void> {
  for (let i = random.integer(1, 4); i > 0; i--) {
    yield* sleep(random.integer(1, 400));
    switch (random.integer(0, 3)) {
      case 0:
        world.crash('server');
        yield* sleep(random.integer(0, 1000));
        world.restart('server');
        break;
      case 1:
        world.partition('server', '*');
        yield* sleep(random.integer(0, 3000));
        world.heal('server', '*');
        break;
      case 2:
        world.partitionOneWay('server', '*');
        yield* sleep(random.integer(0, 3000));
        world.heal('server', '*');
        break;
      default:
        world.hold('server', 'client1');
        yield* sleep(random.integer(0, 3000));
        world.release('server', 'client1');
    }
  }
}

function* counting(world: World): Operation<void> {
  const random = new Random(world);
  const disk = new Disk();
  const clients = new WorkingHosts(world);
  const requests = random.integer(1, 6);
  world.host('server', () => {
    disk.starts++;
    return tcpServer(80, (socket) => handle(disk, socket), { lingerMs: 100 });
  });
  const clientCount = random.integer(1, 3);
  for (let i = clientCount; i > 0; i--) {
    clients.host(`client${i}`, () => count(`client${i}`, requests));
  }
  const isCounted = (): boolean => disk.done.size === clientCount * requests;
  world.eventually('every request is counted', isCounted, { withinMs: 600_000 });
  yield* disturb(world, random);
  yield* clients.allDone();
  for (let i = clientCount; i > 0; i--) {
    const total = disk.totals.get(`client${i}`);
    check(total === requests, `client${i} counted ${requests}, the server ${total}`);
  }
}

export const crashes: Campaign = {
  name: 'crashes',
  shows: 'requests with an id count once when they are retried, despite crashes and cuts',
  scenario: counting,
  options: { faults: DESTRUCTIVE, link: LOSSY },
};
