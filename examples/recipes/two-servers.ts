// Two servers in one program: a stop drains both at the same time, with one grace period, and the
// program ends after both. Under `main`, Ctrl-C is this stop.
import type { DrainReport, Operation, Socket } from 'coronet';
import { connect, group, listen, pipe, run, serve } from 'coronet';

function* echo(socket: Socket): Operation<void> {
  yield* pipe(socket, socket);
}

const reports: string[] = [];

const reportsAs = (name: string) => ({
  onDrained: ({ drained, cut }: DrainReport) => {
    reports.push(`${name}: ${drained} drained, ${cut.length} cut`);
  },
});

await run(function* () {
  const clients = yield* listen('127.0.0.1:0');
  const admin = yield* listen('127.0.0.1:0');
  yield* group(function* (servers): Operation<void> {
    servers.spawn(() => serve(clients, echo, reportsAs('clients')), { name: 'clients' });
    servers.spawn(() => serve(admin, echo, reportsAs('admin')), { name: 'admin' });
    using one = yield* connect(clients.address);
    using two = yield* connect(clients.address);
    using operator = yield* connect(admin.address);
    for (const socket of [one, two, operator]) {
      yield* socket.sendAll('hello');
      yield* socket.recv();
    }
    servers.stop({ graceMs: 5000 });
    for (const socket of [one, two, operator]) console.log(`'${yield* socket.recv()}'`);
  });
  for (const report of reports.sort()) console.log(report);
});

// Output:
// ''
// ''
// ''
// admin: 1 drained, 0 cut
// clients: 2 drained, 0 cut
