// TLS with client certificates: node client-certificates.js KEY CERT. The server accepts clients
// whose certificate the authority in `ca` has signed; here it is a self-signed one for localhost.
import { readFileSync } from 'node:fs';
import type { Operation, Socket, SocketAddress } from 'coronet';
import { connect, group, isCancelled, listen, run, serve } from 'coronet';

const [keyFile = 'key.pem', certFile = 'cert.pem'] = process.argv.slice(2);
const key = readFileSync(keyFile);
const cert = readFileSync(certFile);

function* greet(socket: Socket): Operation<void> {
  const { subject } = socket.tls?.peerCertificate ?? {};
  yield* socket.sendAll(`Hello, ${subject?.['CN']}\n`);
}

/** The greeting, or the code of the error. */
function* visit(to: SocketAddress, identity: object): Operation<string> {
  try {
    const tls = { ca: cert, servername: 'localhost', ...identity };
    using socket = yield* connect(to, { tls, timeoutMs: 5000 });
    // With TLS 1.3 the client learns from the first receive that it was not accepted.
    return (yield* socket.reader().readLine()) ?? 'closed';
  } catch (error) {
    if (isCancelled(error)) throw error;
    return 'not accepted';
  }
}

await run(function* () {
  const tls = { key, cert, ca: cert, requestCert: true }; // and rejectUnauthorized, the default
  const listener = yield* listen('127.0.0.1:0', { tls });
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, greet), { daemon: true });
    console.log(yield* visit(listener.address, { key, cert }));
    console.log(yield* visit(listener.address, {}));
  });
  console.log(`failed handshakes: ${listener.handshakes?.failed}`);
});
