// A proxy that passes the address of its client on: its server receives it in a PROXY header.
import type { Operation, Socket, SocketAddress } from 'coronet';
import { all, connect, group, listen, pipe, run, serve } from 'coronet';

function* greet(socket: Socket, peer: SocketAddress): Operation<void> {
  yield* socket.sendAll(`Hello, ${peer}`);
}

function* forward(client: Socket, upstream: SocketAddress): Operation<void> {
  const proxyProtocol = { source: client.remoteAddress, destination: client.localAddress };
  using server = yield* connect(upstream, { proxyProtocol, timeoutMs: 5000 });
  yield* all([pipe(client, server), pipe(server, client)]);
}

await run(function* () {
  const proxyProtocol = { trusted: ['127.0.0.0/8'] };
  const listener = yield* listen('127.0.0.1:0', { proxyProtocol });
  const front = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, greet), { daemon: true });
    const proxy = (client: Socket) => forward(client, listener.address);
    tasks.spawn(() => serve(front, proxy), { daemon: true });
    using client = yield* connect(front.address);
    const greeting = String(yield* client.recv());
    console.log(greeting === `Hello, ${client.localAddress}`);
  });
});

// Output:
// true
