/**
 * The server of the fault scenarios. It runs in its own process, so that its memory and descriptors
 * can be read in /proc. CORONET_FAULTS holds its configuration as JSON: `options` (of tcpServer),
 * `backend`, `graceMs`, `workers`.
 *
 * The response to a line `ID SIZE` is `ID PID SIZE` and SIZE bytes; that to `feed` is endless; an
 * empty line has none. The server reports events as lines of JSON on standard output, and its
 * statistics for every line on standard input. End of file on standard input ends it.
 */
import { getHeapStatistics } from 'node:v8';
import { main, tcpServer } from '../../dist/index.js';
import { workers } from '../../dist/workers.js';

const config = JSON.parse(process.env['CORONET_FAULTS']);
const { options = {}, backend, graceMs = 10_000, workers: count = 0 } = config;
const address = { host: '127.0.0.1', port: 0 };
const isWorker = process.env['CORONET_WORKER'] !== undefined;

/** Responses are sent in pieces, so that SIGTERM can arrive between two of them. */
const PIECE_BYTES = 16_384;
const MAX_LINE_BYTES = 4096;
const FEED = Buffer.alloc(65_536, 'f');

/** Requests that were read, and responses that the system has taken completely. */
const exchanges = { requests: 0, responses: 0 };

function report(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function* handler(socket) {
  const reader = socket.reader({ max: MAX_LINE_BYTES });
  try {
    for (;;) {
      const bytes = yield* reader.readUntil('\n');
      if (bytes === null) return;
      const line = String(bytes).trim();
      if (line === 'feed') yield* feed(socket);
      if (line !== '') yield* respond(socket, line);
    }
  } catch (error) {
    // A client may disconnect within a request.
    if (error?.code !== 'ERR_UNEXPECTED_EOF') throw error;
  }
}

function* respond(socket, line) {
  exchanges.requests++;
  const [id, size] = line.split(' ').map(Number);
  const head = Buffer.from(`${id} ${process.pid} ${size}\n`);
  const all = Buffer.concat([head, Buffer.alloc(size, 97 + (id % 26))]);
  for (let at = 0; at < all.length; at += PIECE_BYTES) {
    yield* socket.sendAll(all.subarray(at, at + PIECE_BYTES));
  }
  exchanges.responses++;
}

function* feed(socket) {
  for (;;) yield* socket.sendAll(FEED);
}

function serve() {
  return tcpServer(address, handler, {
    ...options,
    onListening(server) {
      if (!isWorker) reportOnRequest(() => server.stats());
      report({ [isWorker ? 'worker' : 'port']: server.address.port, pid: process.pid });
    },
    onDrained: ({ cut, drained }) => report({ drained, cut: cut.length, ...exchanges }),
  });
}

function supervise() {
  reportOnRequest(() => ({}));
  return workers(count, import.meta.url, {
    listen: address,
    onReady: ({ addresses }) => report({ port: addresses[0].port, pid: process.pid }),
    onEvent: report,
  });
}

/** Reports statistics for every line on standard input, after a garbage collection. */
function reportOnRequest(stats) {
  process.stdin.on('data', () => {
    globalThis.gc?.();
    // process.memoryUsage() opens a file, which fails when no descriptor is free.
    const { used_heap_size: used, external_memory: external } = getHeapStatistics();
    report({ stats: stats(), held: used + external });
  });
  process.stdin.on('end', () => process.exit(3));
}

await main(count > 0 && !isWorker ? supervise : serve, {
  graceMs,
  ...(backend === undefined ? {} : { backend }),
});
