/** `coronet echo`: the echo server. */
import type { Operation, Wait } from '../kernel/operation.ts';
import type { SocketAddress } from '../net/address.ts';
import type { Socket } from '../net/tcp/socket.ts';
import { main } from '../node/main.ts';
import { stderr, stdout } from '../node/process/line-output.ts';
import { tcpServer } from '../server/serve.ts';
import type { Server } from '../server/server.ts';
import { readHost, readOptions, readPort } from './options.ts';
import type { CommandCall } from './serve-common.ts';
import { readBackend, withListenAdvice } from './serve-common.ts';
import { readVersion } from './version.ts';

const HELP = `Examples:
  coronet echo                      then, in another terminal: nc localhost 25000
  coronet echo --host 0.0.0.0       listen on all interfaces
  coronet echo --backend portable   use node:net instead of epoll

Options:
  --host HOST        address to listen on; default 127.0.0.1
  --port PORT        port to listen on; default 25000; 0: any free port
  --backend NAME     auto, epoll or portable; default auto
  --quiet            print only errors
`;

const OPTIONS = {
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '25000' },
  backend: { type: 'string' },
  quiet: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const PREFIX = Buffer.from('GOT:');
/** The grace period of handlers after SIGINT or SIGTERM. */
const GRACE_MS = 5000;

/** A person who types into nc is slow. */
const NO_TIMEOUTS = { firstByteTimeoutMs: Infinity, idleTimeoutMs: Infinity } as const;

/** Serves until a signal ends it. */
export async function run(args: readonly string[]): Promise<void> {
  const values = readOptions(args, OPTIONS);
  if (values['help'] === true) {
    process.stdout.write(HELP);
    return;
  }
  const host = readHost(String(values['host']));
  const port = readPort(String(values['port']));
  const backend = readBackend(values['backend']);
  const quiet = values['quiet'] === true;
  const call = { command: 'coronet echo', host, port };
  await main(() => withListenAdvice(echo(call, quiet), call), { graceMs: GRACE_MS, backend });
}

function echo({ host, port }: CommandCall, quiet: boolean): Operation<void> {
  const print = quiet ? () => {} : (line: string) => stdout.write(line);
  return tcpServer({ host, port }, (socket, peer) => echoHandler(socket, peer, print), {
    onListening: (server) => banner(server, port, quiet),
    ...NO_TIMEOUTS,
  });
}

function* echoHandler(
  socket: Socket,
  peer: SocketAddress,
  print: (line: string) => void,
): Generator<Wait, void> {
  print(`Connection from ${peer}`);
  try {
    for (;;) {
      const data = yield* socket.recv(1000);
      if (data.length === 0) break;
      yield* socket.sendv([PREFIX, data]);
    }
  } finally {
    print(`Connection closed ${peer}`);
    print('Task done');
  }
}

/** With port 0 this is printed always, because the port is not known otherwise. */
function banner(server: Server, port: number, quiet: boolean): void {
  if (port !== 0 && quiet) return;
  stderr.write(
    `coronet ${readVersion()} echo on ${server.address} (${server.backend}); ` +
      `try: nc ${server.address.host} ${server.address.port}`,
  );
}
