/**
 * The server that is put under fire: a process of its own, so that its memory and descriptors can
 * be read from outside. CORONET_FIRE: what it is to do, as JSON: `server` (options of tcpServer),
 * `backend`, `graceMs`, `workers`.
 *
 * A line `ID SIZE` is answered by `ID PID SIZE` and SIZE bytes; `feed` by bytes without end; an
 * empty one by nothing. It tells what happens as lines of JSON on standard output, and its figures
 * when it gets a line on standard input. The end of that input ends it: it outlives nobody.
 */
import { getHeapStatistics } from 'node:v8';
import { main, tcpServer } from '../../dist/index.js';
import { workers } from '../../dist/workers.js';

const {
  server = {},
  backend,
  graceMs = 10_000,
  workers: count = 0,
} = JSON.parse(process.env['CORONET_FIRE']);
const address = { host: '127.0.0.1', port: 0 };
const isWorker = process.env['CORONET_WORKER'] !== undefined;

/** Longer answers are sent in pieces: the end of the program may come between any two. */
const PIECE = 16_384;
const MOST_LINE = 4096;
const FEED = Buffer.alloc(65_536, 'f');

/** Questions that were read, and answers that the system has taken whole. */
const exchanges = { asked: 0, answered: 0 };

function tell(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

function* handler(socket) {
  const reader = socket.reader({ max: MOST_LINE });
  try {
    for (;;) {
      const bytes = yield* reader.readUntil('\n');
      if (bytes === null) return;
      const line = String(bytes).trim();
      if (line === 'feed') yield* feed(socket);
      if (line !== '') yield* answer(socket, line);
    }
  } catch (error) {
    // A client that ends within its request is no failure of this program.
    if (error?.code !== 'ERR_UNEXPECTED_EOF') throw error;
  }
}

function* answer(socket, line) {
  exchanges.asked++;
  const [id, size] = line.split(' ').map(Number);
  const head = Buffer.from(`${id} ${process.pid} ${size}\n`);
  const all = Buffer.concat([head, Buffer.alloc(size, 97 + (id % 26))]);
  for (let at = 0; at < all.length; at += PIECE) {
    yield* socket.sendAll(all.subarray(at, at + PIECE));
  }
  exchanges.answered++;
}

function* feed(socket) {
  for (;;) yield* socket.sendAll(FEED);
}

function serveAlone() {
  return tcpServer(address, handler, {
    ...server,
    onListening(listening) {
      if (!isWorker) listenToParent(() => listening.stats());
      tell({ [isWorker ? 'worker' : 'port']: listening.address.port, pid: process.pid });
    },
    onDrained: ({ cut, drained }) => tell({ drained, cut: cut.length, ...exchanges }),
  });
}

function superviseAll() {
  listenToParent(() => ({}));
  return workers(count, import.meta.url, {
    listen: address,
    onReady: ({ addresses }) => tell({ port: addresses[0].port, pid: process.pid }),
    onEvent: tell,
  });
}

/** A line asks for the figures; the collector runs first, so that they are of what is held. */
function listenToParent(stats) {
  process.stdin.on('data', () => {
    globalThis.gc?.();
    // process.memoryUsage() opens a file, which fails where no descriptor is left.
    const { used_heap_size: used, external_memory: external } = getHeapStatistics();
    tell({ stats: stats(), held: used + external });
  });
  process.stdin.on('end', () => process.exit(3));
}

const supervises = count > 0 && !isWorker;
await main(supervises ? superviseAll : serveAlone, {
  graceMs,
  ...(backend === undefined ? {} : { backend }),
});
