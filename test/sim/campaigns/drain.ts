/** A server under load is stopped: it ends, and every answer that it has sent arrives. */
import type { Operation, Server, Socket } from 'coronet';
import { connect, moveOnAfter, sleep, tcpServer } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import {
  check,
  DESTRUCTIVE,
  HOSTILE,
  ignoreNetworkErrors,
  LOSSY,
  Random,
  WorkingHosts,
} from './support.ts';

/** Enough for several retransmissions of a lost answer. */
const LINGER_MS = 60_000;
/** A reset can be lost. Then a client that waits for an answer would wait indefinitely. */
const MAX_WAIT_MS = 300_000;

/** A server and its clients, with a record of their answers. */
class DrainTest {
  readonly random: Random;
  /** Requests whose answer was sent, and requests whose answer arrived. */
  readonly answered: Set<string> = new Set();
  readonly received: Set<string> = new Set();
  /** Clients that have left without waiting for their answers. */
  readonly departed: Set<string> = new Set();
  handlers = 0;
  server: Server | undefined;
  ended = false;

  constructor(world: World) {
    this.random = new Random(world);
  }

  *serve(): Operation<void> {
    yield* tcpServer(80, (socket) => this.#handle(socket), {
      lingerMs: LINGER_MS,
      // With a limit, some connections wait in the queue when the server is stopped.
      maxConnections: this.random.pick([Infinity, 1, 3] as const),
      onListening: (server) => {
        this.server = server;
      },
    });
    this.ended = true;
  }

  *#handle(socket: Socket): Operation<void> {
    this.handlers++;
    try {
      const reader = socket.reader();
      for (;;) {
        const request = yield* reader.readLine();
        if (request === null) return;
        if (this.random.happens(0.5)) yield* sleep(this.random.integer(0, 300));
        yield* socket.sendAll(`answer to ${request}\n`);
        this.answered.add(request);
      }
    } finally {
      this.handlers--;
    }
  }

  /** Sends requests on one connection, one at a time or pipelined. */
  *ask(name: string): Operation<void> {
    const { random } = this;
    yield* sleep(random.integer(0, 400));
    using socket = yield* connect('server:80');
    const reader = socket.reader();
    const isPipelined = random.happens(0.3);
    for (let round = random.integer(1, 3); round > 0; round--) {
      const requests = Array.from({ length: isPipelined ? 3 : 1 }, (_, i) => {
        return `${name} ${round}.${i}`;
      });
      yield* socket.sendAll(`${requests.join('\n')}\n`);
      if (random.happens(0.1)) return void this.departed.add(name);
      for (const request of requests) {
        const line = yield* reader.readLine();
        if (line === null) return;
        check(line === `answer to ${request}`, `${name}: not the answer to ${request}: ${line}`);
        this.received.add(request);
      }
      yield* sleep(random.pick([0, 10, 200]));
    }
    if (random.happens(0.3)) yield* reader.readLine();
  }

  lost(): string[] {
    return [...this.answered].filter((request) => {
      return !this.received.has(request) && !this.departed.has(request.split(' ', 1)[0] as string);
    });
  }
}

function setUp(world: World): { test: DrainTest; clients: WorkingHosts } {
  const test = new DrainTest(world);
  const clients = new WorkingHosts(world);
  world.host('server', () => test.serve());
  for (let i = test.random.integer(1, 5); i > 0; i--) {
    const name = `client${i}`;
    clients.host(name, () =>
      moveOnAfter(
        MAX_WAIT_MS,
        ignoreNetworkErrors(() => test.ask(name)),
      ),
    );
  }
  return { test, clients };
}

function* withoutGrace(world: World): Operation<void> {
  const { test, clients } = setUp(world);
  yield* sleep(test.random.integer(1, 900));
  test.server?.stop();
  // Earlier than the clients give up: the server ends idle connections itself.
  world.eventually('the server has ended', () => test.ended, { withinMs: MAX_WAIT_MS / 2 });
  yield* clients.allDone();
  const lost = test.lost();
  check(lost.length === 0, `Lost answers: ${lost.join(', ')}`);
}

function* withGrace(world: World): Operation<void> {
  const { test, clients } = setUp(world);
  yield* sleep(test.random.integer(1, 900));
  const graceMs = test.random.pick([0, 50, 500]);
  test.server?.stop({ graceMs });
  yield* sleep(graceMs + 1);
  check(test.ended, `The server still runs ${graceMs} ms after it was stopped`);
  check(test.handlers === 0, `${test.handlers} handlers have not unwound`);
  yield* clients.allDone();
}

export const drain: Campaign = {
  name: 'drain',
  shows: 'a stopped server completes its requests, and every answer arrives',
  scenario: withoutGrace,
  options: { faults: HOSTILE, link: LOSSY },
};

export const drainWithGrace: Campaign = {
  name: 'drain-grace',
  shows: 'a stopped server ends within its grace period, despite all faults',
  scenario: withGrace,
  options: { faults: DESTRUCTIVE, link: LOSSY },
};
