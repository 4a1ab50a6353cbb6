// A pool of connections to one server. A connection is closed when a request or a health check on
// it fails. A request that finds no idle connection connects, with retries.
import type { Address, Operation, Socket } from 'coronet';
import {
  connect,
  group,
  isCancelled,
  listen,
  map,
  pipe,
  retry,
  run,
  Semaphore,
  serve,
  tcpServer,
  timeout,
} from 'coronet';

class Pool {
  readonly idle: Socket[] = [];
  readonly #address: Address;
  readonly #slots: Semaphore;

  constructor(address: Address, size: number) {
    this.#address = address;
    this.#slots = new Semaphore(size);
  }

  /** Runs `request` on a connection that no other task uses. At most `size` run at a time. */
  use<T>(request: (socket: Socket) => Operation<T>): Operation<T> {
    return this.#slots.with(() => timeout(5000, () => this.#run(request)));
  }

  *#run<T>(request: (socket: Socket) => Operation<T>): Operation<T> {
    const attempts = { times: 10, delayMs: 10, jitter: true };
    const socket = this.idle.shift() ?? (yield* retry(() => connect(this.#address), attempts));
    let isHealthy = false;
    try {
      const response = yield* request(socket);
      isHealthy = true;
      return response;
    } finally {
      // After a failed request, its response may still arrive: no other request may receive it.
      if (isHealthy) this.idle.push(socket);
      else socket.close();
    }
  }

  /** The health check: runs `ping` on every idle connection. A daemon task can repeat it. */
  *check(ping: (socket: Socket) => Operation<unknown>): Operation<void> {
    for (let left = this.idle.length; left > 0 && this.idle.length > 0; left--) {
      try {
        yield* this.use(ping);
      } catch (error) {
        if (isCancelled(error)) throw error;
      }
    }
  }
}

function* ask(socket: Socket, word: string): Operation<string> {
  yield* socket.sendAll(`${word}\n`);
  const line = yield* socket.reader().readLine();
  if (line === null) throw new Error('the server has ended the connection');
  return line;
}

function* echo(socket: Socket): Operation<void> {
  yield* pipe(socket, socket);
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  const pool = new Pool(listener.address, 2);
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, echo), { daemon: true });
    const words = yield* map(['a', 'b', 'c'], (word) => pool.use((socket) => ask(socket, word)));
    console.log(`${words}: ${pool.idle.length} connections`);
  });
  yield* pool.check((socket) => ask(socket, 'ping'));
  console.log(`the server has ended: ${pool.idle.length} connections`);
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => tcpServer(listener.address, echo), { daemon: true });
    const word = yield* pool.use((socket) => ask(socket, 'd'));
    console.log(`${word}: ${pool.idle.length} connection`);
  });
  for (const socket of pool.idle) socket.close();
});

// Output:
// a,b,c: 2 connections
// the server has ended: 0 connections
// d: 1 connection
