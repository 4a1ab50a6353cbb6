// A server behind a proxy: the handler receives the client address from the PROXY header.
import type { Operation, Socket, SocketAddress } from 'coronet';
import { connect, group, listen, proxyHeader, run, serve } from 'coronet';

function* greet(socket: Socket, peer: SocketAddress): Operation<void> {
  const name = yield* socket.reader().readLine();
  const proxy = proxyHeader(socket)?.proxy;
  yield* socket.sendAll(`Hello, ${name} at ${peer}, through ${proxy?.host}`);
}

/** Connects like a proxy, and returns the response. */
function* send(address: SocketAddress, text: string): Operation<string> {
  try {
    using socket = yield* connect(address);
    yield* socket.sendAll(text);
    return String(yield* socket.recv());
  } catch (error) {
    return String((error as { code?: string }).code);
  }
}

await run(function* () {
  const proxyProtocol = { trusted: ['127.0.0.0/8', '::1'] };
  const listener = yield* listen('127.0.0.1:0', { proxyProtocol });
  const onError = (error: unknown): void => console.log(`${(error as { code?: string }).code}`);
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, greet, { onError }), { daemon: true });
    const header = 'PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\n';
    console.log(yield* send(listener.address, `${header}Ada\n`));
    console.log(yield* send(listener.address, 'Ada\n'));
  });
});

// Output:
// Hello, Ada at 203.0.113.7:56324, through 127.0.0.1
// ERR_PROXY_HEADER
// ECONNRESET
