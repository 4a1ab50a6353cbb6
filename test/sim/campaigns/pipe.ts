/** pipe: a proxy between clients and a server changes no byte and passes every end of file on. */
import type { Operation, Socket } from 'coronet';
import { all, connect, group, pipe, sleep, tcpServer } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { Chance, HOSTILE, must, receiveAll, Troop } from './support.ts';

/** Answers once the whole request is there: it needs the end of file to pass. */
function* reverse(socket: Socket): Operation<void> {
  yield* socket.sendAll((yield* receiveAll(socket)).reverse());
}

function* echo(socket: Socket): Operation<void> {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendAll(data);
  }
}

function* forward(client: Socket): Operation<void> {
  using upstream = yield* connect('server:80');
  const [up, down] = yield* all([() => pipe(client, upstream), () => pipe(upstream, client)]);
  must(up === down, `${up} bytes went up and ${down} came down`);
}

function* ask(chance: Chance, isReversed: boolean): Operation<void> {
  yield* sleep(chance.integer(0, 20));
  using socket = yield* connect('proxy:80');
  const request = chance.bytes(chance.pick([0, 1, 100, 5000, 300_000]));
  const answer = yield* group(function* (tasks): Operation<Buffer> {
    tasks.spawn(() => sendInParts(chance, socket, request));
    return yield* receiveAll(socket, chance.pick([1000, 65536]));
  });
  const expected = isReversed ? Buffer.from(request).reverse() : request;
  must(answer.equals(expected), `${request.length} bytes came back as ${answer.length} others`);
}

function* sendInParts(chance: Chance, socket: Socket, data: Buffer): Operation<void> {
  for (let at = 0; at < data.length; ) {
    const next = at + chance.integer(1, data.length);
    yield* socket.sendAll(data.subarray(at, next));
    if (chance.strikes(0.3)) yield* sleep(chance.integer(0, 20));
    at = next;
  }
  socket.shutdown('send');
}

function* proxied(world: World): Operation<void> {
  const chance = new Chance(world);
  const clients = new Troop(world);
  const isReversed = chance.strikes(0.5);
  const onError = (error: unknown): void => {
    throw error;
  };
  world.host('server', () => tcpServer(80, isReversed ? reverse : echo, { onError }));
  world.host('proxy', () => tcpServer(80, forward, { onError }));
  yield* sleep(1);
  for (let i = chance.integer(1, 3); i > 0; i--) {
    clients.host(`client${i}`, () => ask(chance, isReversed));
  }
  yield* clients.allDone();
}

export const proxy: Campaign = {
  name: 'proxy',
  shows: 'what goes through pipe comes out unchanged, ends of file included',
  scenario: proxied,
  options: { faults: HOSTILE, link: { latencyMs: [1, 10], bytesPerSecond: 2_000_000, loss: 0.01 } },
};
