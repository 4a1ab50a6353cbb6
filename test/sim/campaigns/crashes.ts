/** Clients that try again, a server that crashes and starts again, ways that are cut and heal. */
import type { Operation, Socket } from 'coronet';
import { connect, retry, sleep, tcpServer, timeout } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { BRUTAL, Chance, LOSSY, must, Troop } from './support.ts';

/** What survives a crash: the server's disk. */
class Disk {
  readonly totals: Map<string, number> = new Map();
  readonly done: Set<string> = new Set();
  starts = 0;

  /** Adds once for every request, however often it is sent. */
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

/** The answer to one request on a connection of its own. */
function* once(request: string, account: string): Operation<string> {
  using socket = yield* connect('server:80');
  yield* socket.sendAll(`${request} ${account}\n`);
  const line = yield* socket.reader().readLine();
  must(line?.startsWith(`${request} `) !== false, `Expected the answer to ${request}, got ${line}`);
  if (line === null) throw new Error('The server has gone');
  return line;
}

function* count(account: string, requests: number): Operation<void> {
  for (let i = 1; i <= requests; i++) {
    const request = `${account}/${i}`;
    const answer = yield* retry(() => timeout(2000, () => once(request, account)), {
      times: Infinity,
      delayMs: 50,
      factor: 1.1,
      jitter: 1,
    });
    must(answer === `${request} ${i}`, `Expected ${request} ${i}, got ${answer}`);
  }
}

function* trouble(world: World, chance: Chance): Operation<void> {
  for (let i = chance.integer(1, 4); i > 0; i--) {
    yield* sleep(chance.integer(1, 400));
    switch (chance.integer(0, 3)) {
      case 0:
        world.crash('server');
        yield* sleep(chance.integer(0, 1000));
        world.restart('server');
        break;
      case 1:
        world.partition('server', '*');
        yield* sleep(chance.integer(0, 3000));
        world.heal('server', '*');
        break;
      case 2:
        world.partitionOneWay('server', '*');
        yield* sleep(chance.integer(0, 3000));
        world.heal('server', '*');
        break;
      default:
        world.hold('server', 'client1');
        yield* sleep(chance.integer(0, 3000));
        world.release('server', 'client1');
    }
  }
}

function* counting(world: World): Operation<void> {
  const chance = new Chance(world);
  const disk = new Disk();
  const clients = new Troop(world);
  const requests = chance.integer(1, 6);
  world.host('server', () => {
    disk.starts++;
    return tcpServer(80, (socket) => handle(disk, socket), { lingerMs: 100 });
  });
  const count_ = chance.integer(1, 3);
  for (let i = count_; i > 0; i--) {
    clients.host(`client${i}`, () => count(`client${i}`, requests));
  }
  const isCounted = (): boolean => disk.done.size === count_ * requests;
  world.eventually('all is counted', isCounted, { withinMs: 600_000 });
  yield* trouble(world, chance);
  yield* clients.allDone();
  for (let i = count_; i > 0; i--) {
    const total = disk.totals.get(`client${i}`);
    must(total === requests, `client${i} counted ${requests}, the server ${total}`);
  }
}

export const crashes: Campaign = {
  name: 'crashes',
  shows: 'requests with a name, tried again, count once, whatever crashes and is cut',
  scenario: counting,
  options: { faults: BRUTAL, link: LOSSY },
};
