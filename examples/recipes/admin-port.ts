// A Unix socket for the operator, with the commands `stats` and `stop`, for example from nc -U.
// Only the owner of the file may connect.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Operation, Server, Socket } from 'coronet';
import { connect, group, listen, pipe, run, serve } from 'coronet';

const path = join(tmpdir(), `coronet-admin-${process.pid}.sock`);

function* echo(socket: Socket): Operation<void> {
  yield* pipe(socket, socket);
}

await run(function* () {
  const clients = yield* listen('127.0.0.1:0');
  const admin = yield* listen({ path }, { mode: 0o600 });
  let server: Server | undefined;

  function* administer(socket: Socket): Operation<void> {
    const reader = socket.reader({ max: 100 });
    for (let line = yield* reader.readLine(); line !== null; line = yield* reader.readLine()) {
      if (line === 'stats') yield* socket.sendAll(`${server?.stats().accepted} accepted\n`);
      else if (line === 'stop') server?.stop({ graceMs: 5000 });
      else yield* socket.sendAll('commands: stats, stop\n');
    }
  }

  yield* group(function* (tasks): Operation<void> {
    const onListening = (listening: Server) => {
      server = listening;
    };
    tasks.spawn(() => serve(clients, echo, { onListening }));
    tasks.spawn(() => serve(admin, administer), { daemon: true }); // it ends with the server
    using client = yield* connect(clients.address);
    yield* client.sendAll('hello');
    yield* client.recv();
    using operator = yield* connect({ path });
    yield* operator.sendAll('help\nstats\nstop\n');
    const reader = operator.reader();
    console.log(yield* reader.readLine());
    console.log(yield* reader.readLine());
    console.log(`the client receives '${yield* client.recv()}'`);
  });
});

// Output:
// commands: stats, stop
// 1 accepted
// the client receives ''
