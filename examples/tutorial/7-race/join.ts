// A scenario for `coronet sim`: anna sends numbered lines, and ben joins in the meantime. From the
// first line that ben receives on, no line may be missing.
import type { Operation } from 'coronet';
import { connect, Event, sleep, tcpServer } from 'coronet';
import type { Scenario, World } from 'coronet/sim';
import { localTopics } from 'coronet/topics';
import { lineClient } from './clients.ts';
import { History } from './history.ts';
import { session } from './session.ts';

const LAST = 12;
const REST = '.'.repeat(900);

function* gateway(): Operation<void> {
  const shared = { topics: yield* localTopics(), history: new History() };
  // With a small buffer a send soon waits for the network, as it does for a client far away.
  const options = { sendBufferSize: 4608 };
  yield* tcpServer(25000, (socket) => session(lineClient(socket), shared), options);
}

function* anna(world: World): Operation<void> {
  const socket = yield* connect('gateway:25000');
  try {
    const client = lineClient(socket);
    yield* client.send('kitchen anna');
    for (let number = 1; number <= LAST; number++) {
      yield* sleep(Math.floor(world.random() * 20));
      yield* client.send(`${number} ${REST}`);
    }
    while ((yield* client.receive()) !== `anna: ${LAST} ${REST}`);
  } finally {
    socket.close();
  }
}

function* ben(world: World): Operation<void> {
  yield* sleep(Math.floor(world.random() * 100));
  const socket = yield* connect('gateway:25000');
  try {
    const client = lineClient(socket);
    yield* client.send('kitchen ben');
    const numbers: number[] = [];
    while (numbers.at(-1) !== LAST) {
      const [, digits] = /^anna: (\d+)/.exec((yield* client.receive()) ?? '') ?? [];
      if (digits === undefined) continue;
      const number = Number(digits);
      if (numbers.length > 0 && number !== Number(numbers.at(-1)) + 1)
        throw new Error(`ben received the lines ${numbers}, and then ${number}`);
      numbers.push(number);
    }
  } finally {
    socket.close();
  }
}

const scenario: Scenario = function* (world) {
  world.host('gateway', gateway);
  world.host('anna', () => anna(world));
  const ended = new Event('ben has received the last line');
  world.host('ben', function* () {
    yield* ben(world);
    ended.set();
  });
  yield* ended.wait();
};

export default scenario;
