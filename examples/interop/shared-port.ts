// One port for TLS, HTTP and a line protocol: node shared-port.js key.pem cert.pem [port], then
// curl http://127.0.0.1:8080/, curl -k https://127.0.0.1:8080/, or nc 127.0.0.1 8080
//
// The first byte decides. `peek` leaves it unread, so the chosen protocol receives it too.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Operation, Socket, SocketAddress } from 'coronet';
import { handOver, main, tcpServer } from 'coronet';

const [key = 'key.pem', cert = 'cert.pem', port = '8080'] = process.argv.slice(2);

/** The first byte of a TLS handshake (RFC 8446, section 5.1). */
const TLS_HANDSHAKE = 22;

const identity = { key: readFileSync(key), cert: readFileSync(cert) };
const serveHttp = handOver.http(
  createServer((request, response) => response.end(`HTTP ${request.url}\n`)),
);

function* serveLines(socket: Socket): Operation<void> {
  const reader = socket.reader({ max: 1000 });
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    yield* socket.sendAll(`GOT:${line}\n`);
  }
}

function* serve(socket: Socket, peer: SocketAddress): Operation<void> {
  const first = yield* socket.reader().peek(1);
  if (first?.[0] === TLS_HANDSHAKE && socket.tls === undefined) {
    yield* socket.startTls(identity);
    yield* serve(socket, peer);
  } else if (/^[A-Z]/.test(String(first ?? ''))) {
    yield* serveHttp(socket, peer); // a method: GET, POST, …
  } else {
    yield* serveLines(socket);
  }
}

await main(() => tcpServer(`127.0.0.1:${port}`, serve));
