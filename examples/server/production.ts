// The server of docs/deploy.md: runs under systemd, in a container, or from a shell.
//
// It listens at PORT (25000) and HEALTH (127.0.0.1:9090), or at the socket that systemd has opened.
import type { Operation, Socket } from 'coronet';
import { group, inheritedListeners, main, tcpServer } from 'coronet';
import { health } from 'coronet/health';

const { PORT = '25000', HEALTH = '127.0.0.1:9090' } = process.env;

function* shout(socket: Socket): Operation<void> {
  const reader = socket.reader({ max: 8192 });
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    yield* socket.sendAll(`${line.toUpperCase()}\n`);
  }
}

function* program(): Operation<void> {
  const [inherited] = inheritedListeners();
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => health(HEALTH), { daemon: true });
    yield* tcpServer(inherited ?? Number(PORT), shout, {
      firstByteTimeoutMs: 10_000,
      idleTimeoutMs: 120_000,
      minReceiveRate: { bytesPerSecond: 100 },
      maxConnections: 10_000,
      maxConnectionsPerPeer: 200,
      onDrained: ({ drained, cut, durationMs }) => {
        console.log(`drained ${drained} in ${Math.round(durationMs)} ms, cut ${cut.length}`);
      },
    });
  });
}

await main(program, { lameDuckMs: 5000, graceMs: 20_000 });
