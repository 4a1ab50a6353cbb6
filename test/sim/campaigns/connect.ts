/** Connecting: addresses are raced, queues are full, names and files have rivals. */
import type { Operation, Server, Socket } from 'coronet';
import { connect, group, listen, moveOnAfter, sleep, tcpServer } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { Chance, codeOf, HOSTILE, LOSSY, must, Troop, unlessBroken } from './support.ts';

/** A reset can get lost; who only reads waits for ever then. */
const PATIENCE_MS = 1_000_000;

// ---- a name with two addresses, of which perhaps one is served, or late ----

function* greet(socket: Socket): Operation<void> {
  yield* socket.sendAll('hello');
  const data = yield* moveOnAfter(PATIENCE_MS, () => socket.recv());
  must(data === undefined || data.length === 0, 'A client that lost its race has sent something');
}

function* racing(world: World): Operation<void> {
  const chance = new Chance(world);
  const served = chance.pick([['0.0.0.0:80'], ['[::]:80'], ['[fd00::2]:80'], ['10.0.0.2:80']]);
  const servers: Server[] = [];
  world.host('server', function* () {
    yield* sleep(chance.pick([0, 0, 100, 400]));
    yield* tcpServer(served[0] as string, greet, { onListening: (server) => servers.push(server) });
  });
  if (chance.strikes(0.3)) world.link('main', 'server', { latencyMs: [200, 600], loss: 0.1 });
  let stood = 0;
  const rounds = chance.integer(1, 4);
  yield* group(function* (tasks): Operation<void> {
    for (let i = 0; i < rounds; i++) {
      tasks.spawn(function* () {
        const timeoutMs = chance.pick([Infinity, Infinity, 50, 500, 900]);
        yield* unlessLate(function* () {
          using socket = yield* connect('server:80', { timeoutMs });
          stood++;
          must(String(yield* socket.recv()) !== '', 'The winner was closed');
        });
      });
    }
  });
  const isQuiet = (): boolean => servers.every((server) => server.stats().open === 0);
  world.eventually('the losers of the races are closed', isQuiet, { withinMs: 3_600_000 });
  const accepted = servers[0]?.stats().accepted ?? 0;
  must(accepted >= stood, `${stood} connections stood, ${accepted} were accepted`);
}

function* unlessLate(op: () => Operation<void>): Operation<void> {
  try {
    yield* unlessBroken(op);
  } catch (error) {
    if (codeOf(error) !== 'ERR_TIMEOUT') throw error;
  }
}

// ---- a queue that is full ----

/** More clients than the queue holds, and a server that takes its time. */
function* fullQueue(world: World): Operation<void> {
  const chance = new Chance(world);
  const clients = new Troop(world);
  const crowd = chance.integer(3, 10);
  const served: string[] = [];
  world.host('server', function* () {
    using listener = yield* listen(80, { backlog: chance.integer(1, 2) });
    yield* sleep(chance.integer(0, 2000));
    for (let i = 0; i < crowd; i++) {
      using socket = yield* listener.accept();
      const line = yield* socket.reader().readLine();
      served.push(String(line));
      yield* socket.sendAll(`${line} was served\n`);
      yield* sleep(chance.integer(0, 300));
    }
  });
  for (let i = 0; i < crowd; i++) {
    const name = `client${i}`;
    clients.host(name, function* () {
      yield* sleep(chance.integer(0, 500));
      using socket = yield* connect('10.0.0.2:80');
      yield* socket.sendAll(`${name}\n`);
      const answer = yield* socket.reader().readLine();
      must(answer === `${name} was served`, `${name} was told: ${answer}`);
    });
  }
  yield* clients.allDone();
  must(new Set(served).size === crowd, `Served: ${served.join(', ')}`);
}

// ---- one path, several who want to listen there ----

/** Rivals listen at one path in turns; whoever listens is reached, stale files are replaced. */
function* rivals(world: World): Operation<void> {
  const chance = new Chance(world);
  let listening = 0;
  let ready = 0;
  world.always('at most one listens', () => listening <= 1);
  const program = function* (): Operation<void> {
    listening = 0;
    yield* group(function* (tasks): Operation<void> {
      for (let i = 0; i < 3; i++) {
        tasks.spawn(function* () {
          for (let round = 0; round < 4; round++) {
            yield* sleep(chance.integer(0, 20));
            yield* tryPath();
          }
        });
      }
    });
    ready++;
  };
  const tryPath = function* (): Operation<void> {
    try {
      using listener = yield* listen('/run/server.sock');
      listening++;
      yield* sleep(chance.integer(0, 10));
      yield* connectHere();
      const peer = yield* listener.accept();
      peer.close();
      listening--;
    } catch (error) {
      must(codeOf(error) === 'EADDRINUSE', `Expected EADDRINUSE, got ${error}`);
    }
  };
  const host = world.host('server', program);
  for (let i = chance.integer(0, 3); i > 0; i--) {
    yield* sleep(chance.integer(1, 30));
    world.restart(host);
  }
  world.eventually('the rivals have ended', () => ready > 0, { withinMs: 10_000 });
}

function* connectHere(): Operation<void> {
  const socket = yield* connect('/run/server.sock');
  socket.close();
}

export const races: Campaign = {
  name: 'races',
  shows: 'a name with two addresses: one connection stands, the others are closed',
  scenario: racing,
  options: { faults: HOSTILE, link: LOSSY },
};

export const queues: Campaign = {
  name: 'queues',
  shows: 'clients that find the queue full are served in the end, once each',
  scenario: fullQueue,
  options: { faults: HOSTILE, link: { latencyMs: [0, 20] } },
};

export const paths: Campaign = {
  name: 'paths',
  shows: 'one at a time listens at a path, also after crashes',
  scenario: rivals,
  options: { faults: { ...HOSTILE, slowAccept: 0 } },
};
