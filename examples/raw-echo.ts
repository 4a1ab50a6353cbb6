// The echo server of the classic teaching program: a task yields a reason and a resource, and the
// scheduler resumes it when the resource is ready. All of Coronet is built on this.
import type { Group, Listener, Operation, Socket } from 'coronet';
import { group, listen, run } from 'coronet';

function* echoHandler(client: Socket): Operation<void> {
  console.log(`Connection from ${client.remoteAddress}`);
  for (;;) {
    yield ['recv', client];
    const data = client.tryRecv(1000);
    if (data === undefined) continue; // a spurious wake-up: wait again
    if (data.length === 0) break;
    let rest: Buffer = Buffer.concat([Buffer.from('GOT:'), data]);
    while (rest.length > 0) {
      yield ['send', client];
      rest = rest.subarray(client.trySend(rest));
    }
  }
  client.close();
  console.log('Connection closed');
}

function* tcpServer(listener: Listener, tasks: Group): Operation<void> {
  for (;;) {
    yield ['recv', listener];
    const client = listener.tryAccept();
    if (client !== undefined) tasks.spawn(() => echoHandler(client));
  }
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:25000');
  yield* group((tasks) => tcpServer(listener, tasks));
});
