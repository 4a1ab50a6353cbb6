// A TLS server: node tls.js KEY CERT [port]. SIGHUP reads the files again: new connections get the
// new certificate, and open ones keep theirs. An invalid certificate is rejected, and the previous
// one stays in use.
import { readFileSync } from 'node:fs';
import type { Listener, Operation, Socket } from 'coronet';
import { Event, group, listen, main, serve } from 'coronet';

const [keyFile = 'key.pem', certFile = 'cert.pem', port = '8443'] = process.argv.slice(2);

function credentials(): { key: Buffer; cert: Buffer } {
  return { key: readFileSync(keyFile), cert: readFileSync(certFile) };
}

function* hello(socket: Socket): Operation<void> {
  const name = yield* socket.reader().readLine();
  yield* socket.sendAll(`Hello, ${name}, over ${socket.tls?.protocol}\n`);
}

function* reloadOnHangup(listener: Listener): Operation<void> {
  const hangup = new Event('SIGHUP');
  process.on('SIGHUP', () => hangup.set()); // Without a listener, SIGHUP ends the process.
  for (;;) {
    yield* hangup.wait();
    hangup.clear();
    try {
      listener.reloadTls(credentials());
      console.log('reloaded');
    } catch (error) {
      console.error(`not reloaded: ${(error as Error).message}`);
    }
  }
}

await main(function* () {
  const listener = yield* listen(`127.0.0.1:${port}`, { tls: credentials() });
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => reloadOnHangup(listener), { daemon: true });
    yield* serve(listener, hello);
  });
});
