/** Datagrams: asked again until answered, over a link that loses and reorders, past a crash. */
import type { Datagram, Operation } from 'coronet';
import { bindDatagram, moveOnAfter, sleep } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { Chance, must, Troop } from './support.ts';

const QUESTIONS = 6;

function* answer(asked: Set<string>, socket: Datagram): Operation<void> {
  for (;;) {
    const { data, from } = yield* socket.recvFrom();
    must(asked.has(String(data)), `Nobody has asked '${data}'`);
    yield* socket.sendTo(`answer to ${data}`, from);
  }
}

/** Sends `question` again and again until its answer is there; answers to others are late ones. */
function* ask(socket: Datagram, question: string, ms: number): Operation<void> {
  for (;;) {
    yield* socket.sendTo(question, 'server:53');
    const heard = yield* moveOnAfter(ms, () => untilAnswered(socket, question));
    if (heard) return;
  }
}

function* untilAnswered(socket: Datagram, question: string): Operation<true> {
  for (;;) {
    const text = String((yield* socket.recvFrom()).data);
    must(text.startsWith('answer to '), `Something else came: ${text}`);
    if (text === `answer to ${question}`) return true;
  }
}

function* resolving(world: World): Operation<void> {
  const chance = new Chance(world);
  const clients = new Troop(world);
  const asked = new Set<string>();
  world.host('server', function* () {
    using socket = yield* bindDatagram(53);
    yield* answer(asked, socket);
  });
  for (let i = chance.integer(1, 3); i > 0; i--) {
    clients.host(`client${i}`, function* () {
      using socket = yield* bindDatagram(0);
      for (let j = 0; j < QUESTIONS; j++) {
        const question = `question ${i}.${j}`;
        asked.add(question);
        yield* ask(socket, question, chance.integer(1, 100));
      }
    });
  }
  yield* sleep(chance.integer(0, 300));
  world.crash('server');
  yield* sleep(chance.integer(0, 300));
  world.restart('server');
  yield* clients.allDone();
}

export const datagrams: Campaign = {
  name: 'datagrams',
  shows: 'what is asked again is answered in the end, past loss, disorder and a crash',
  scenario: resolving,
  options: {
    faults: { spuriousWakeups: 0.3 },
    link: { latencyMs: [1, 20], loss: 0.3, reorder: 0.3 },
  },
};
