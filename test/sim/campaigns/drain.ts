/** A server under load is stopped: every answered request has reached its client; stop ends. */
import type { Operation, Server, Socket } from 'coronet';
import { connect, moveOnAfter, sleep, tcpServer } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { BRUTAL, Chance, HOSTILE, LOSSY, must, Troop, unlessBroken } from './support.ts';

/** Longer than a lost answer needs to be sent again a few times. */
const LINGER_MS = 60_000;
/** A reset can get lost, and who only waits for an answer never hears of it then. */
const PATIENCE_MS = 300_000;

class Books {
  readonly chance: Chance;
  /** Requests whose answer was sent, and those whose answer came. */
  readonly answered: Set<string> = new Set();
  readonly heard: Set<string> = new Set();
  /** Clients that leave without waiting for their answers. */
  readonly rude: Set<string> = new Set();
  handlers = 0;
  server: Server | undefined;
  ended = false;

  constructor(world: World) {
    this.chance = new Chance(world);
  }

  *serve(): Operation<void> {
    yield* tcpServer(80, (socket) => this.#handle(socket), {
      lingerMs: LINGER_MS,
      // Some wait for room when the server is stopped.
      maxConnections: this.chance.pick([Infinity, 1, 3] as const),
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
        if (this.chance.strikes(0.5)) yield* sleep(this.chance.integer(0, 300));
        yield* socket.sendAll(`answer to ${request}\n`);
        this.answered.add(request);
      }
    } finally {
      this.handlers--;
    }
  }

  /** Asks a few times on one connection, one after the other or all at once. */
  *ask(name: string): Operation<void> {
    const { chance } = this;
    yield* sleep(chance.integer(0, 400));
    using socket = yield* connect('server:80');
    const reader = socket.reader();
    const atOnce = chance.strikes(0.3);
    for (let round = chance.integer(1, 3); round > 0; round--) {
      const requests = Array.from({ length: atOnce ? 3 : 1 }, (_, i) => `${name} ${round}.${i}`);
      yield* socket.sendAll(`${requests.join('\n')}\n`);
      if (chance.strikes(0.1)) return this.#leave(name);
      for (const request of requests) {
        const line = yield* reader.readLine();
        if (line === null) return;
        must(
          line === `answer to ${request}`,
          `${name}: expected the answer to ${request}: ${line}`,
        );
        this.heard.add(request);
      }
      yield* sleep(chance.pick([0, 10, 200]));
    }
    if (chance.strikes(0.3)) yield* reader.readLine();
  }

  #leave(name: string): void {
    this.rude.add(name);
  }

  lost(): string[] {
    return [...this.answered].filter(
      (request) => !this.heard.has(request) && !this.rude.has(request.split(' ', 1)[0] as string),
    );
  }
}

function begin(world: World): { books: Books; clients: Troop } {
  const books = new Books(world);
  const clients = new Troop(world);
  world.host('server', () => books.serve());
  for (let i = books.chance.integer(1, 5); i > 0; i--) {
    const name = `client${i}`;
    clients.host(name, () =>
      moveOnAfter(
        PATIENCE_MS,
        unlessBroken(() => books.ask(name)),
      ),
    );
  }
  return { books, clients };
}

function* patiently(world: World): Operation<void> {
  const { books, clients } = begin(world);
  yield* sleep(books.chance.integer(1, 900));
  books.server?.stop();
  // Well before the clients lose their patience: those that are idle are told to go.
  world.eventually('the server has ended', () => books.ended, { withinMs: PATIENCE_MS / 2 });
  yield* clients.allDone();
  const lost = books.lost();
  must(lost.length === 0, `Answers that never came: ${lost.join(', ')}`);
}

function* withGrace(world: World): Operation<void> {
  const { books, clients } = begin(world);
  yield* sleep(books.chance.integer(1, 900));
  const graceMs = books.chance.pick([0, 50, 500]);
  books.server?.stop({ graceMs });
  yield* sleep(graceMs + 1);
  must(books.ended, `The server goes on ${graceMs} ms after it was stopped`);
  must(books.handlers === 0, `${books.handlers} handlers have not unwound`);
  yield* clients.allDone();
}

export const drain: Campaign = {
  name: 'drain',
  shows: 'a stopped server answers what it has begun; every answer arrives',
  scenario: patiently,
  options: { faults: HOSTILE, link: LOSSY },
};

export const drainWithGrace: Campaign = {
  name: 'drain-grace',
  shows: 'a stopped server ends within its grace, whatever breaks',
  scenario: withGrace,
  options: { faults: BRUTAL, link: LOSSY },
};
