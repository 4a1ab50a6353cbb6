// A client of a line protocol that many tasks share: requests leave without waiting for the
// responses before them, and the responses arrive in the order of the requests.
import type { Operation, Socket } from 'coronet';
import { Channel, connect, Deferred, group, Lock, listen, map, pipe, run, serve } from 'coronet';

class PipelinedClient {
  readonly #socket: Socket;
  readonly #sending = new Lock('sending');
  /** The requests without a response, the oldest first; the channel bounds their number. */
  readonly #pending = new Channel<Deferred<string>>(100, 'pending');

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  *ask(question: string): Operation<string> {
    const answer = new Deferred<string>('answer');
    yield* this.#sending.with(() => this.#send(question, answer));
    return yield* answer.wait();
  }

  *#send(question: string, answer: Deferred<string>): Operation<void> {
    yield* this.#pending.send(answer);
    try {
      yield* this.#socket.sendAll(`${question}\n`);
    } catch (error) {
      this.#socket.close(); // The responses would not match the requests any more.
      throw error;
    }
  }

  /** Receives the responses: spawn it as a daemon. Its failure ends the group of the client. */
  *receive(): Operation<void> {
    for (;;) {
      const line = yield* this.#socket.reader().readLine();
      if (line === null) throw new Error('the server has ended the connection');
      const answer = yield* this.#pending.receive();
      answer.resolve(line);
    }
  }
}

function* echo(socket: Socket): Operation<void> {
  yield* pipe(socket, socket);
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  using socket = yield* connect(listener.address);
  const client = new PipelinedClient(socket);
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, echo), { daemon: true });
    tasks.spawn(() => client.receive(), { daemon: true });
    console.log(yield* map(['one', 'two', 'three'], (word) => client.ask(word)));
  });
});

// Output:
// [ 'one', 'two', 'three' ]
