// Ends one connection from outside: a second login of a user takes over, and the first one ends.
import type { Operation, Socket, SocketAddress } from 'coronet';
import { Channel, connect, Deferred, group, listen, run, select, serve } from 'coronet';

/** For each user with a connection, a deferred. Its value is the reason to end the connection. */
const sessions = new Map<string, Deferred<string>>();

function kick(user: string, reason: string): boolean {
  return sessions.get(user)?.resolve(reason) ?? false;
}

function* serveClient(socket: Socket): Operation<void> {
  const reader = socket.reader({ max: 1000 });
  const user = yield* reader.readLine();
  if (user === null) return;
  const kicked = new Deferred<string>(`kick ${user}`);
  kick(user, 'logged in elsewhere');
  sessions.set(user, kicked);
  try {
    yield* socket.sendAll(`welcome, ${user}\n`);
    for (;;) {
      const event = yield* select({ kicked: kicked.wait(), line: reader.readLine() });
      if (event.key === 'kicked') return yield* socket.sendAll(`${event.value}\n`);
      if (event.value === null) return;
      yield* socket.sendAll(`${event.value.toUpperCase()}\n`);
    }
  } finally {
    // After a takeover the entry belongs to the new connection.
    if (sessions.get(user) === kicked) sessions.delete(user);
  }
}

function* client(address: SocketAddress, loggedIn: () => Operation<void>): Operation<void> {
  using socket = yield* connect(address);
  yield* socket.sendAll('anna\n');
  console.log(yield* socket.reader().readLine());
  yield* loggedIn();
  console.log(yield* socket.reader().readLine());
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  const ends = new Channel<string>(2);
  const onClose = ({ reason }: { reason: string }) => ends.trySend(reason);
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, serveClient, { onClose }), { daemon: true });
    const second = client(listener.address, function* () {
      kick('anna', 'banned');
    });
    yield* client(listener.address, () => second);
    console.log(yield* ends.receive(), yield* ends.receive());
  });
});

// Output:
// welcome, anna
// welcome, anna
// banned
// logged in elsewhere
// handler handler
