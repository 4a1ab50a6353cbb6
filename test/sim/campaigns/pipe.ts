/** pipe: a proxy between clients and a server forwards every byte and every end of file. */
import type { Operation, Socket } from 'coronet';
import { all, connect, group, pipe, sleep, tcpServer } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { check, HOSTILE, Random, receiveAll, WorkingHosts } from './support.ts';

/** Answers after the whole request: the end of file has to be forwarded. */
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
  check(up === down, `${up} bytes were sent to the server and ${down} came back`);
}

function* ask(random: Random, isReversed: boolean): Operation<void> {
  yield* sleep(random.integer(0, 20));
  using socket = yield* connect('proxy:80');
  const request = random.bytes(random.pick([0, 1, 100, 5000, 300_000]));
  const answer = yield* group(function* (tasks): Operation<Buffer> {
    tasks.spawn(() => sendInParts(random, socket, request));
    return yield* receiveAll(socket, random.pick([1000, 65536]));
  });
  const expected = isReversed ? Buffer.from(request).reverse() : request;
  check(answer.equals(expected), `${request.length} bytes came back as ${answer.length} others`);
}

function* sendInParts(random: Random, socket: Socket, data: Buffer): Operation<void> {
  for (let at = 0; at < data.length; ) {
    const next = at + random.integer(1, data.length);
    yield* socket.sendAll(data.subarray(at, next));
    if (random.happens(0.3)) yield* sleep(random.integer(0, 20));
    at = next;
  }
  socket.shutdown('send');
}

function* proxied(world: World): Operation<void> {
  const random = new Random(world);
  const clients = new WorkingHosts(world);
  const isReversed = random.happens(0.5);
  const onError = (error: unknown): void => {
    throw error;
  };
  world.host('server', () => tcpServer(80, isReversed ? reverse : echo, { onError }));
  world.host('proxy', () => tcpServer(80, forward, { onError }));
  yield* sleep(1);
  for (let i = random.integer(1, 3); i > 0; i--) {
    clients.host(`client${i}`, () => ask(random, isReversed));
  }
  yield* clients.allDone();
}

export const proxy: Campaign = {
  name: 'proxy',
  shows: 'pipe forwards bytes unchanged, and ends of file',
  scenario: proxied,
  options: { faults: HOSTILE, link: { latencyMs: [1, 10], bytesPerSecond: 2_000_000, loss: 0.01 } },
};
