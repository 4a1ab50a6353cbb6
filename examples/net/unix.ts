// A Unix socket: a path instead of a port, and file permissions instead of a firewall. A stale file
// of a server that has ended is replaced; the file of a running server is not.
import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Operation, Socket } from 'coronet';
import { connect, group, listen, pipe, run, serve } from 'coronet';

const path = join(tmpdir(), `coronet-example-${process.pid}.sock`);

/** Sends back everything that it receives. */
function* echo(socket: Socket): Operation<void> {
  yield* pipe(socket, socket);
}

await run(function* () {
  const listener = yield* listen({ path }, { mode: 0o600 });
  console.log(`only for me: ${(statSync(path).mode & 0o777).toString(8)}`);
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, echo), { daemon: true });
    using socket = yield* connect({ path });
    yield* socket.sendAll('through a file\n');
    console.log(yield* socket.reader().readLine());
  });
});

// Output:
// only for me: 600
// through a file
