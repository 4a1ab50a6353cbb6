/** `coronet echo`: the echo server that everything here grew out of. */
import type { Operation, Wait } from '../kernel/operation.ts';
import type { SocketAddress } from '../net/address.ts';
import type { Socket } from '../net/tcp/socket.ts';
import type { BackendChoice } from '../node/backend.ts';
import { main } from '../node/main.ts';
import type { Handler } from '../server/options.ts';
import { tcpServer } from '../server/serve.ts';
import type { Server } from '../server/server.ts';
import { readHost, readOptions, readPort } from './options.ts';
import { printLine, readBackend, withListenAdvice } from './serving.ts';
import { readVersion } from './version.ts';

const HELP = `Examples:
  coronet echo                      then, elsewhere: nc localhost 25000
  coronet echo --host 0.0.0.0       for other machines, too
  coronet echo --backend portable   on node:net instead of epoll

Options:
  --host HOST        the address to listen on; default 127.0.0.1
  --port PORT        default 25000; 0: any free port
  --backend NAME     auto, epoll or portable; default auto
  --quiet            no line for each connection
`;

const OPTIONS = {
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '25000' },
  backend: { type: 'string' },
  quiet: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const PREFIX = Buffer.from('GOT:');
/** After SIGINT or SIGTERM, handlers may go on for this long. */
const GRACE_MS = 5000;

/** Whoever tries it out by hand takes their time. */
const NO_TIMEOUTS = { firstByteTimeoutMs: Infinity, idleTimeoutMs: Infinity } as const;

interface EchoOptions {
  readonly host: string;
  readonly port: number;
  readonly backend: BackendChoice | undefined;
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
  const say = quiet ? () => {} : printLine;
  const called = { command: 'coronet echo', host, port };
  await main(() => withListenAdvice(serveEcho(options, say), called), {
    graceMs: GRACE_MS,
    ...(backend === undefined ? {} : { backend: backend }),
  });
}

function serveEcho(options: EchoOptions, say: PrintLine): Operation<void> {
  const { host, port } = options;
  const onListening = (server: Server): void => banner(server, options);
  const handler: Handler = (socket, peer) => echoHandler(socket, peer, say);
  return tcpServer({ host, port }, handler, { onListening, ...NO_TIMEOUTS });
}

type PrintLine = (line: string) => void;

function* echoHandler(socket: Socket, peer: SocketAddress, say: PrintLine): Generator<Wait, void> {
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

/** For people; and where nobody can know the port, for whoever started us. */
function banner(server: Server, { port, quiet }: EchoOptions): void {
  if (port !== 0 && (quiet || !process.stderr.isTTY)) return;
  process.stderr.write(
    `coronet ${readVersion()} echo on ${server.address} (${server.backend}); ` +
      `try: nc ${server.address.host} ${server.address.port}\n`,
  );
}
