// A proxy: node proxy.js [address] [upstream], for example 127.0.0.1:8000 127.0.0.1:25000. Either
// may be the path of a Unix socket.
//
// Both directions run at the same time, each with its own end of file. When one fails, the other is
// cancelled. When the server stops, open connections may finish.
import type { Operation, Socket } from 'coronet';
import { all, connect, main, pipe, tcpServer } from 'coronet';

const [address = '127.0.0.1:8000', upstream = '127.0.0.1:25000'] = process.argv.slice(2);

function* proxy(client: Socket): Operation<void> {
  using server = yield* connect(upstream, { timeoutMs: 5000 });
  yield* all([pipe(client, server), pipe(server, client)]);
}

await main(() => tcpServer(address, proxy));
