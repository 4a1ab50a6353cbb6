/** Operations on sockets are cancelled at random moments: it either happened, or it did not. */
import type { Operation, Socket, Task } from 'coronet';
import { connect, group, listen, moveOnAfter, sleep, tcpServer, timeout } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { BRUTAL, Chance, codeOf, HOSTILE, LOSSY, must, unlessBroken } from './support.ts';

/** A reset can get lost; who only reads waits for ever then. */
const PATIENCE_MS = 1_000_000;

// ---- sends that are cut: the peer has exactly what the error says ----

/** Sends until a time limit cuts it. Gives the bytes that went out whole, and what tore. */
function* sendUntilCut(chance: Chance, socket: Socket, sent: Buffer[]): Operation<void> {
  for (let i = 0; i < 30; i++) {
    const data = chance.bytes(chance.pick([10, 5000, 100_000]));
    const before = socket.bytesSent;
    const done = yield* moveOnAfter(chance.integer(0, 4), function* (): Operation<true> {
      if (chance.strikes(0.5)) yield* socket.sendAll(data);
      else yield* socket.sendv([data.subarray(0, 3), data.subarray(3)]);
      return true;
    });
    const went = socket.bytesSent - before;
    sent.push(data.subarray(0, went));
    if (done) must(went === data.length, `A send of ${data.length} bytes returned after ${went}`);
    else if (went > 0) return yield* expectTorn(socket, data, went);
  }
}

function* expectTorn(socket: Socket, data: Buffer, went: number): Operation<void> {
  if (went === data.length) return;
  try {
    yield* socket.sendAll('x');
  } catch (error) {
    must(codeOf(error) === 'ERR_TORN', `Expected ERR_TORN, got ${error}`);
    return;
  }
  throw new Error(
    `A send was cut after ${went} of ${data.length} bytes, and the next one went out`,
  );
}

function* receiveSlowly(chance: Chance, socket: Socket, got: Buffer[]): Operation<void> {
  for (;;) {
    const part = yield* moveOnAfter(chance.integer(0, 20), () =>
      socket.recv(chance.pick([7, 65536])),
    );
    if (part === undefined) continue;
    if (part.length === 0) return;
    got.push(part);
    if (chance.strikes(0.3)) yield* sleep(chance.integer(0, 5));
  }
}

function* cutSends(world: World): Operation<void> {
  const chance = new Chance(world);
  const sent: Buffer[] = [];
  const got: Buffer[] = [];
  let ended = false;
  world.host('sink', function* () {
    using listener = yield* listen(80, { recvBufferSize: 8192 });
    using socket = yield* listener.accept();
    yield* receiveSlowly(chance, socket, got);
    ended = true;
  });
  {
    using socket = yield* connect('sink:80', { sendBufferSize: 8192 });
    yield* sendUntilCut(chance, socket, sent);
    must(socket.bytesSent === Buffer.concat(sent).length, 'bytesSent is not what went out');
  }
  world.eventually('the sink has seen the end', () => ended, { withinMs: 3_000_000 });
  while (!ended) yield* sleep(1000);
  must(Buffer.concat(got).equals(Buffer.concat(sent)), 'Other bytes came than went out');
}

// ---- storms: everything is cancelled, again and again, and nothing is left ----

function* anything(chance: Chance): Operation<void> {
  using socket = yield* connect('server:80', { timeoutMs: chance.integer(0, 5000) });
  for (let i = 0; i < 3; i++) {
    yield* timeout(chance.integer(0, 300), function* () {
      yield* socket.sendAll(chance.bytes(chance.pick([1, 3000, 200_000])));
    });
    yield* moveOnAfter(chance.integer(0, 100), () => socket.recv());
    if (chance.strikes(0.2)) socket.shutdown(chance.pick(['send', 'recv', 'both'] as const));
    if (chance.strikes(0.1)) socket.reset();
  }
}

function* attempts(chance: Chance): Operation<void> {
  for (let i = chance.integer(1, 4); i > 0; i--) {
    try {
      yield* unlessBroken(() => anything(chance));
    } catch (error) {
      const allowed = ['ERR_TIMEOUT', 'ERR_TORN', 'ERR_CLOSED'];
      if (!allowed.includes(codeOf(error))) throw error;
    }
  }
}

function* storm(world: World): Operation<void> {
  const chance = new Chance(world);
  let handlers = 0;
  world.host('server', () =>
    tcpServer(80, (socket) => handle(socket), { lingerMs: chance.integer(0, 500) }),
  );
  const handle = function* (socket: Socket): Operation<void> {
    handlers++;
    try {
      for (;;) {
        const data = yield* moveOnAfter(PATIENCE_MS, () => socket.recv());
        if (data === undefined || data.length === 0) return;
        yield* socket.sendAll(data);
      }
    } finally {
      handlers--;
    }
  };
  yield* group(function* (tasks): Operation<void> {
    const storming: Task<unknown>[] = [];
    for (let i = chance.integer(2, 6); i > 0; i--) {
      storming.push(tasks.spawn(() => attempts(chance)));
    }
    for (const task of storming) {
      yield* sleep(chance.integer(0, 150));
      if (chance.strikes(0.6)) task.cancel();
    }
  });
  world.eventually('every handler has ended', () => handlers === 0, { withinMs: 3_600_000 });
}

export const torn: Campaign = {
  name: 'torn',
  shows: 'a send that was cut says how much went out, and exactly that arrives',
  scenario: cutSends,
  options: { faults: HOSTILE, link: LOSSY },
};

export const storms: Campaign = {
  name: 'storms',
  shows: 'connects, sends and receives cancelled at any moment leave nothing behind',
  scenario: storm,
  options: { faults: BRUTAL, link: LOSSY },
};
