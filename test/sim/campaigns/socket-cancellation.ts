/**
 * Socket operations are cancelled at random times: no byte is lost or duplicated, and a partial
 * send tears the socket.
 */
import type { Operation, Socket, Task } from 'coronet';
import { connect, group, listen, moveOnAfter, sleep, tcpServer, timeout } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import {
  check,
  codeOf,
  DESTRUCTIVE,
  HOSTILE,
  ignoreNetworkErrors,
  LOSSY,
  Random,
} from './support.ts';

/** A reset can be lost. Then a peer that only reads would wait indefinitely. */
const MAX_WAIT_MS = 1_000_000;

// ---- cancelled sends: the peer receives exactly the bytes that were sent ----

/** Sends until a time limit cancels a send in the middle. Collects the bytes that were sent. */
function* sendUntilCut(random: Random, socket: Socket, sent: Buffer[]): Operation<void> {
  for (let i = 0; i < 30; i++) {
    const data = random.bytes(random.pick([10, 5000, 100_000]));
    const before = socket.bytesSent;
    const done = yield* moveOnAfter(random.integer(0, 4), function* (): Operation<true> {
      if (random.happens(0.5)) yield* socket.sendAll(data);
      else yield* socket.sendv([data.subarray(0, 3), data.subarray(3)]);
      return true;
    });
    const length = socket.bytesSent - before;
    sent.push(data.subarray(0, length));
    if (done) check(length === data.length, `A send of ${data.length} returned after ${length}`);
    else if (length > 0) return yield* expectTorn(socket, data, length);
  }
}

function* expectTorn(socket: Socket, data: Buffer, length: number): Operation<void> {
  if (length === data.length) return;
  try {
    yield* socket.sendAll('x');
  } catch (error) {
    check(codeOf(error) === 'ERR_TORN', `Expected ERR_TORN, got ${error}`);
    return;
  }
  throw new Error(
    `A send was cancelled after ${length} of ${data.length} bytes, but the next send succeeded`,
  );
}

function* receiveSlowly(random: Random, socket: Socket, parts: Buffer[]): Operation<void> {
  for (;;) {
    const part = yield* moveOnAfter(random.integer(0, 20), () =>
      socket.recv(random.pick([7, 65536])),
    );
    if (part === undefined) continue;
    if (part.length === 0) return;
    parts.push(part);
    if (random.happens(0.3)) yield* sleep(random.integer(0, 5));
  }
}

function* cutSends(world: World): Operation<void> {
  const random = new Random(world);
  const sent: Buffer[] = [];
  const received: Buffer[] = [];
  let ended = false;
  world.host('sink', function* () {
    using listener = yield* listen(80, { recvBufferSize: 8192 });
    using socket = yield* listener.accept();
    yield* receiveSlowly(random, socket, received);
    ended = true;
  });
  {
    using socket = yield* connect('sink:80', { sendBufferSize: 8192 });
    yield* sendUntilCut(random, socket, sent);
    check(socket.bytesSent === Buffer.concat(sent).length, 'bytesSent differs from the bytes sent');
  }
  world.eventually('the sink has received the end', () => ended, { withinMs: 3_000_000 });
  while (!ended) yield* sleep(1000);
  check(Buffer.concat(received).equals(Buffer.concat(sent)), 'Received other bytes than sent');
}

// ---- random cancellations of all operations leave no resources ----

function* randomOperations(random: Random): Operation<void> {
  using socket = yield* connect('server:80', { timeoutMs: random.integer(0, 5000) });
  for (let i = 0; i < 3; i++) {
    yield* timeout(random.integer(0, 300), function* () {
      yield* socket.sendAll(random.bytes(random.pick([1, 3000, 200_000])));
    });
    yield* moveOnAfter(random.integer(0, 100), () => socket.recv());
    if (random.happens(0.2)) socket.shutdown(random.pick(['send', 'recv', 'both'] as const));
    if (random.happens(0.1)) socket.reset();
  }
}

function* attempts(random: Random): Operation<void> {
  for (let i = random.integer(1, 4); i > 0; i--) {
    try {
      yield* ignoreNetworkErrors(() => randomOperations(random));
    } catch (error) {
      const allowed = ['ERR_TIMEOUT', 'ERR_TORN', 'ERR_CLOSED'];
      if (!allowed.includes(codeOf(error))) throw error;
    }
  }
}

function* cancelAtRandom(world: World): Operation<void> {
  const random = new Random(world);
  let handlers = 0;
  world.host('server', () =>
    tcpServer(80, (socket) => handle(socket), { lingerMs: random.integer(0, 500) }),
  );
  const handle = function* (socket: Socket): Operation<void> {
    handlers++;
    try {
      for (;;) {
        const data = yield* moveOnAfter(MAX_WAIT_MS, () => socket.recv());
        if (data === undefined || data.length === 0) return;
        yield* socket.sendAll(data);
      }
    } finally {
      handlers--;
    }
  };
  yield* group(function* (tasks): Operation<void> {
    const clients: Task<unknown>[] = [];
    for (let i = random.integer(2, 6); i > 0; i--) {
      clients.push(tasks.spawn(() => attempts(random)));
    }
    for (const client of clients) {
      yield* sleep(random.integer(0, 150));
      if (random.happens(0.6)) client.cancel();
    }
  });
  world.eventually('every handler has ended', () => handlers === 0, { withinMs: 3_600_000 });
}

export const torn: Campaign = {
  name: 'torn',
  shows: 'a cancelled send reports how many bytes it sent, and exactly those arrive',
  scenario: cutSends,
  options: { faults: HOSTILE, link: LOSSY },
};

export const cancellations: Campaign = {
  name: 'cancellations',
  shows: 'connects, sends and receives that are cancelled at any time leave no resources',
  scenario: cancelAtRandom,
  options: { faults: DESTRUCTIVE, link: LOSSY },
};
