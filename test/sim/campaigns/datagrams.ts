/** Questions are repeated until they are answered, despite loss, reordering and a crash. */
import type { Datagram, Operation } from 'coronet';
import { bindDatagram, moveOnAfter, sleep } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { check, Random, WorkingHosts } from './support.ts';

const QUESTIONS = 6;

function* answer(asked: Set<string>, socket: Datagram): Operation<void> {
  for (;;) {
    const { data, from } = yield* socket.recvFrom();
    check(asked.has(String(data)), `'${data}' was never asked`);
    yield* socket.sendTo(`answer to ${data}`, from);
  }
}

/** Repeats `question` until its answer arrives. Late answers to earlier questions are ignored. */
function* ask(socket: Datagram, question: string, ms: number): Operation<void> {
  for (;;) {
    yield* socket.sendTo(question, 'server:53');
    const answered = yield* moveOnAfter(ms, () => receiveAnswer(socket, question));
    if (answered) return;
  }
}

function* receiveAnswer(socket: Datagram, question: string): Operation<true> {
  for (;;) {
    const text = String((yield* socket.recvFrom()).data);
    check(text.startsWith('answer to '), `Not an answer: ${text}`);
    if (text === `answer to ${question}`) return true;
  }
}

function* resolving(world: World): Operation<void> {
  const random = new Random(world);
  const clients = new WorkingHosts(world);
  const asked = new Set<string>();
  world.host('server', function* () {
    using socket = yield* bindDatagram(53);
    yield* answer(asked, socket);
  });
  for (let i = random.integer(1, 3); i > 0; i--) {
    clients.host(`client${i}`, function* () {
      using socket = yield* bindDatagram(0);
      for (let j = 0; j < QUESTIONS; j++) {
        const question = `question ${i}.${j}`;
        asked.add(question);
        yield* ask(socket, question, random.integer(1, 100));
      }
    });
  }
  yield* sleep(random.integer(0, 300));
  world.crash('server');
  yield* sleep(random.integer(0, 300));
  world.restart('server');
  yield* clients.allDone();
}

export const datagrams: Campaign = {
  name: 'datagrams',
  shows: 'repeated questions are answered in the end, despite loss, reordering and a crash',
  scenario: resolving,
  options: {
    faults: { spuriousWakeups: 0.3 },
    link: { latencyMs: [1, 20], loss: 0.3, reorder: 0.3 },
  },
};
