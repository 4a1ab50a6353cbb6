/** `coronet echo`: the echo server. */
import type { Operation, Wait } from '../kernel/operation.ts';
import type { SocketAddress } from '../net/address.ts';
import type { Socket } from '../net/tcp/socket.ts';
import type { Backend } from '../node/backend.ts';
import { main } from '../node/main.ts';
import type { Handler } from '../server/options.ts';
import { tcpServer } from '../server/serve.ts';
import type { Server } from '../server/server.ts';
import { readHost, readOptions, readPort } from './options.ts';
import { printLine, readBackend, withListenAdvice } from './serve-common.ts';
import { readVersion } from './version.ts';

const HELP = `Examples:
  coronet echo                      then, in another terminal: nc localhost 25000
  coronet echo --host 0.0.0.0       listen on all interfaces
  coronet echo --backend portable   use node:net instead of epoll

Options:
  --host HOST        address to listen on; default 127.0.0.1
  --port PORT        port to listen on; default 25000; 0: any free port
  --backend NAME     auto, epoll or portable; default auto
  --quiet            print no line per connection
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

interface EchoOptions {
  readonly host: string;
  readonly port: number;
  readonly backend: Backend;
  readonly quiet: boolean;
}

/** Serves until a signal ends it. */
export async function run(args: readonly string[]): Promise<void> {
  const values = readOptions(args, OPTIONS);
  if (values['help'] === true) {
    process.stdout.write(HELP);
    return;
  }
  await echo({
    host: readHost(String(values['host'])),
    port: readPort(String(values['port'])),
    backend: readBackend(values['backend']),
    quiet: values['quiet'] === true,
  });
}

async function echo(options: EchoOptions): Promise<void> {
  const { host, port, backend, quiet } = options;
  const print = quiet ? () => {} : printLine;
  const call = { command: 'coronet echo', host, port };
  await main(() => withListenAdvice(serveEcho(options, print), call), {
    graceMs: GRACE_MS,
    backend,
  });
}

function serveEcho(options: EchoOptions, print: PrintLine): Operation<void> {
  const { host, port } = options;
  const onListening = (server: Server): void => banner(server, options);
  const handler: Handler = (socket, peer) => echoHandler(socket, peer, print);
  return tcpServer({ host, port }, handler, { onListening, ...NO_TIMEOUTS });
}

type PrintLine = (line: string) => void;

function* echoHandler(
  socket: Socket,
  peer: SocketAddress,
  print: PrintLine,
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

/** Printed to a terminal; with port 0 always, because the port is not known otherwise. */
function banner(server: Server, { port, quiet }: EchoOptions): void {
  if (port !== 0 && (quiet || !process.stderr.isTTY)) return;
  process.stderr.write(
    `coronet ${readVersion()} echo on ${server.address} (${server.backend}); ` +
      `try: nc ${server.address.host} ${server.address.port}\n`,
  );
}
