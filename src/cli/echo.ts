/** `coronet echo`: the echo server that everything here grew out of. */
import type { SocketAddress } from '../net/address.ts';
import type { Socket } from '../net/socket.ts';
import type { Wait } from '../kernel/operation.ts';
import type { BackendChoice } from '../node/backend.ts';
import { main } from '../node/main.ts';
import { tcpServer } from '../server/serve.ts';
import type { Server } from '../server/server.ts';
import { readVersion } from './version.ts';

const PREFIX = Buffer.from('GOT:');
/** After SIGINT or SIGTERM, handlers may go on for this long. */
const GRACE_MS = 5000;

export interface EchoOptions {
  readonly host: string;
  readonly port: number;
  readonly backend: BackendChoice;
  readonly quiet: boolean;
}

/** Serves until a signal ends it. Rejects if the server cannot start. */
export async function echo(options: EchoOptions): Promise<void> {
  const say = options.quiet ? () => {} : printLine;
  await main(
    () =>
      tcpServer(
        { host: options.host, port: options.port },
        (socket, peer) => echoHandler(socket, peer, say),
        { onListening: (server) => banner(server, options.quiet) },
      ),
    { graceMs: GRACE_MS, network: options.backend },
  );
}

function* echoHandler(
  socket: Socket,
  peer: SocketAddress,
  say: (line: string) => void,
): Generator<Wait, void> {
  say(`Connection from ${peer}`);
  try {
    for (;;) {
      const data = yield* socket.recv(1000);
      if (data.length === 0) break;
      yield* socket.sendv([PREFIX, data]);
    }
  } finally {
    say(`Connection closed ${peer}`);
    say('Task done');
  }
}

function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Only for people: a program that reads our output gets the data alone. */
function banner(server: Server, quiet: boolean): void {
  if (quiet || !process.stderr.isTTY) return;
  process.stderr.write(
    `coronet ${readVersion()} echo on ${server.address} (${server.backend}); ` +
      `try: nc ${server.address.host} ${server.address.port}\n`,
  );
}
