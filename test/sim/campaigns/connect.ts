/** Connecting: names with several addresses, full queues, and paths that several listeners use. */
import type { Operation, Server, Socket } from 'coronet';
import { connect, group, listen, moveOnAfter, sleep, tcpServer } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import {
  check,
  codeOf,
  HOSTILE,
  ignoreNetworkErrors,
  LOSSY,
  Random,
  WorkingHosts,
} from './support.ts';

/** A reset can be lost. Then a client that only reads would wait indefinitely. */
const MAX_WAIT_MS = 1_000_000;

// ---- a name with two addresses: one may not be served, or served late ----

function* greet(socket: Socket): Operation<void> {
  yield* socket.sendAll('hello');
  const data = yield* moveOnAfter(MAX_WAIT_MS, () => socket.recv());
  check(data === undefined || data.length === 0, 'An abandoned connection has sent bytes');
}

function* racing(world: World): Operation<void> {
  const random = new Random(world);
  const served = random.pick([['0.0.0.0:80'], ['[::]:80'], ['[fd00::2]:80'], ['10.0.0.2:80']]);
  const servers: Server[] = [];
  world.host('server', function* () {
    yield* sleep(random.pick([0, 0, 100, 400]));
    yield* tcpServer(served[0] as string, greet, { onListening: (server) => servers.push(server) });
  });
  if (random.happens(0.3)) world.link('main', 'server', { latencyMs: [200, 600], loss: 0.1 });
  let connected = 0;
  const rounds = random.integer(1, 4);
  yield* group(function* (tasks): Operation<void> {
    for (let i = 0; i < rounds; i++) {
      tasks.spawn(function* () {
        const timeoutMs = random.pick([Infinity, Infinity, 50, 500, 900]);
        yield* ignoreTimeout(function* () {
          using socket = yield* connect('server:80', { timeoutMs });
          connected++;
          check(String(yield* socket.recv()) !== '', 'The connection in use was closed');
        });
      });
    }
  });
  const isIdle = (): boolean => servers.every((server) => server.stats().open === 0);
  world.eventually('the abandoned connections are closed', isIdle, { withinMs: 3_600_000 });
  const accepted = servers[0]?.stats().accepted ?? 0;
  check(accepted >= connected, `${connected} connections were made, ${accepted} were accepted`);
}

function* ignoreTimeout(op: () => Operation<void>): Operation<void> {
  try {
    yield* ignoreNetworkErrors(op);
  } catch (error) {
    if (codeOf(error) !== 'ERR_TIMEOUT') throw error;
  }
}

// ---- a full queue ----

/** More clients than the queue holds, and a slow server. */
function* fullQueue(world: World): Operation<void> {
  const random = new Random(world);
  const clients = new WorkingHosts(world);
  const clientCount = random.integer(3, 10);
  const served: string[] = [];
  world.host('server', function* () {
    using listener = yield* listen(80, { backlog: random.integer(1, 2) });
    yield* sleep(random.integer(0, 2000));
    for (let i = 0; i < clientCount; i++) {
      using socket = yield* listener.accept();
      const line = yield* socket.reader().readLine();
      served.push(String(line));
      yield* socket.sendAll(`${line} was served\n`);
      yield* sleep(random.integer(0, 300));
    }
  });
  for (let i = 0; i < clientCount; i++) {
    const name = `client${i}`;
    clients.host(name, function* () {
      yield* sleep(random.integer(0, 500));
      using socket = yield* connect('10.0.0.2:80');
      yield* socket.sendAll(`${name}\n`);
      const answer = yield* socket.reader().readLine();
      check(answer === `${name} was served`, `${name} received: ${answer}`);
    });
  }
  yield* clients.allDone();
  check(new Set(served).size === clientCount, `Served: ${served.join(', ')}`);
}

// ---- several tasks that listen at one path ----

/** Tasks listen at one path in turns. Clients reach the current one; stale files are replaced. */
function* listenInTurns(world: World): Operation<void> {
  const random = new Random(world);
  let listening = 0;
  let finished = 0;
  world.always('at most one task listens', () => listening <= 1);
  const program = function* (): Operation<void> {
    listening = 0;
    yield* group(function* (tasks): Operation<void> {
      for (let i = 0; i < 3; i++) {
        tasks.spawn(function* () {
          for (let round = 0; round < 4; round++) {
            yield* sleep(random.integer(0, 20));
            yield* listenAtPath();
          }
        });
      }
    });
    finished++;
  };
  const listenAtPath = function* (): Operation<void> {
    try {
      using listener = yield* listen('/run/server.sock');
      listening++;
      yield* sleep(random.integer(0, 10));
      yield* connectHere();
      const peer = yield* listener.accept();
      peer.close();
      listening--;
    } catch (error) {
      check(codeOf(error) === 'EADDRINUSE', `Expected EADDRINUSE, got ${error}`);
    }
  };
  const host = world.host('server', program);
  for (let i = random.integer(0, 3); i > 0; i--) {
    yield* sleep(random.integer(1, 30));
    world.restart(host);
  }
  world.eventually('the tasks have ended', () => finished > 0, { withinMs: 10_000 });
}

function* connectHere(): Operation<void> {
  const socket = yield* connect('/run/server.sock');
  socket.close();
}

export const races: Campaign = {
  name: 'races',
  shows: 'a name with two addresses: one connection is used, the others are closed',
  scenario: racing,
  options: { faults: HOSTILE, link: LOSSY },
};

export const queues: Campaign = {
  name: 'queues',
  shows: 'clients that find the queue full are served later, once each',
  scenario: fullQueue,
  options: { faults: HOSTILE, link: { latencyMs: [0, 20] } },
};

export const paths: Campaign = {
  name: 'paths',
  shows: 'at most one task listens at a path, even after crashes',
  scenario: listenInTurns,
  options: { faults: { ...HOSTILE, slowAccept: 0 } },
};
