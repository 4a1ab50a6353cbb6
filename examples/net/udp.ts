// Datagrams: each one arrives whole or not at all, so the client repeats an unanswered request.
import type { Datagram, Operation, SocketAddress } from 'coronet';
import { bindDatagram, group, moveOnAfter, run } from 'coronet';

/** Answers every second datagram, like an unreliable network. */
function* unreliable(datagram: Datagram): Operation<void> {
  for (let count = 1; ; count++) {
    const { data, from } = yield* datagram.recvFrom();
    if (count % 2 === 0) yield* datagram.sendTo(`pong ${data}`, from);
  }
}

function* ask(datagram: Datagram, question: string, to: SocketAddress): Operation<string> {
  for (let attempt = 1; attempt <= 5; attempt++) {
    yield* datagram.sendTo(question, to);
    const answer = yield* moveOnAfter(50, () => datagram.recvFrom());
    if (answer !== undefined) return `${answer.data} (attempt ${attempt})`;
  }
  return 'no answer';
}

await run(function* () {
  using server = yield* bindDatagram('127.0.0.1:0');
  using client = yield* bindDatagram('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => unreliable(server), { daemon: true });
    console.log(yield* ask(client, 'one', server.address));
    console.log(yield* ask(client, 'two', server.address));
  });
});

// Output:
// pong one (attempt 2)
// pong two (attempt 2)
