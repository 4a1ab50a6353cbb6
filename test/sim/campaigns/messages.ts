/** Messages and WebSocket messages survive any split and any interrupted receive. */
import type { Codec, Operation, Selectable, Socket } from 'coronet';
import {
  connect,
  group,
  json,
  lengthPrefixed,
  lines,
  messages,
  netstring,
  select,
  sleep,
  tcpServer,
} from 'coronet';
import type { World } from 'coronet/sim';
import { connectWs, wsServer } from 'coronet/ws';
import type { Campaign } from './support.ts';
import { check, HOSTILE, LOSSY, Random } from './support.ts';

const COUNT = 15;

/** A codec of a program's own: the number of the parts of a text, then each part as a line. */
const parts: Codec<string> = {
  *decode(reader): Operation<string | null> {
    const count = yield* reader.readLine();
    if (count === null) return null;
    const found: (string | null)[] = [];
    for (let i = 0; i < Number(count); i++) found.push(yield* reader.readLine());
    return found.join('-');
  },
  encode(text) {
    const found = text.split('-');
    return Buffer.from(`${found.length}\n${found.join('\n')}\n`);
  },
};

const texts = json<string>(lines({ max: 10_000 }));

const codecs: readonly Codec<unknown, string>[] = [
  lengthPrefixed({ bytes: 2, max: 10_000 }),
  lengthPrefixed({ bytes: 'varint', max: 10_000 }),
  netstring({ max: 10_000 }),
  lines({ max: 10_000, onTooLong: 'skip' }),
  texts as Codec<unknown, string>,
  parts,
];

/** Repeats a receive that a sleep interrupts, with growing time, until it completes. */
function* receiveWithSelect<T>(random: Random, receive: () => Selectable<T>): Operation<T> {
  for (let ms = random.integer(0, 30); ; ms = 2 * ms + 1) {
    const chosen = yield* select({ message: receive(), late: sleep(ms) });
    if (chosen.key === 'message') return chosen.value;
  }
}

function textOf(random: Random, i: number): string {
  return `${i}-${'é-'.repeat(random.happens(0.1) ? 2000 : random.integer(0, 20))}`;
}

function* echoAll(socket: Socket, codec: Codec<unknown, string>, random: Random): Operation<void> {
  const stream = messages(socket, codec);
  for (;;) {
    const batch = yield* receiveWithSelect(random, () => stream.receiveBatch());
    if (batch.length === 0) return;
    yield* stream.sendBatch(batch.map(String));
  }
}

function* codecEcho(world: World): Operation<void> {
  const random = new Random(world);
  const codec = random.pick(codecs);
  world.host('server', () => tcpServer(80, (socket) => echoAll(socket, codec, random)));
  using socket = yield* connect('server:80');
  const stream = messages(socket, codec);
  const sent = Array.from({ length: COUNT }, (_, i) => textOf(random, i));
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(function* (): Operation<void> {
      for (const text of sent) yield* stream.send(text);
      socket.shutdown('send');
    });
    for (const text of sent) {
      const received = yield* receiveWithSelect(random, () => stream.receive());
      check(String(received) === text, `Expected the message ${text}, got ${received}`);
    }
    check((yield* stream.receive()) === null, 'Expected the end after the last message');
  });
}

function* websocketEcho(world: World): Operation<void> {
  const random = new Random(world);
  world.host('server', () =>
    wsServer('0.0.0.0:80', function* (ws) {
      for (;;) {
        const message = yield* receiveWithSelect(random, () => ws.receive());
        if (message === null) return;
        yield* ws.send(message);
      }
    }),
  );
  using ws = yield* connectWs('ws://server/', { pingIntervalMs: 50, pongTimeoutMs: 60_000 });
  const sent = Array.from({ length: COUNT }, (_, i) => textOf(random, i));
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(function* (): Operation<void> {
      for (const text of sent) yield* ws.send(random.happens(0.5) ? text : Buffer.from(text));
    });
    for (const text of sent) {
      const received = yield* receiveWithSelect(random, () => ws.receive());
      check(String(received) === text, `Expected the message ${text}, got ${received}`);
    }
  });
  yield* ws.close();
  check(ws.closeCode === 1000, `Expected the close code 1000, got ${ws.closeCode}`);
}

export const codecMessages: Campaign = {
  name: 'messages',
  shows: 'messages of every codec arrive; a receive that select does not choose loses nothing',
  scenario: codecEcho,
  options: { faults: { ...HOSTILE, shortReads: 0.6 }, link: LOSSY },
};

export const websocketMessages: Campaign = {
  name: 'websocket',
  shows: 'WebSocket messages arrive between pings; both ends close with 1000',
  scenario: websocketEcho,
  options: { faults: { ...HOSTILE, shortReads: 0.6 }, link: LOSSY },
};
