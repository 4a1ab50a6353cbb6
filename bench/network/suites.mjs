// The benchmarks with their cells and bars.
//
// A cell has a load (`connections`, `size`, `depth`; `protocol` of load.c, or `short` connections
// of connect.c; `paced`: an open loop), the `handler` of the servers, and its bars. A bar is
// [server, limit, reference]: the CPU time of `server` is at most `limit` times that of the
// reference, a server of the same cell.

const KB = 1024;

const below = (server, ...references) => references.map((other) => [server, 1, other]);

function cell(connections, size, rest) {
  return { connections, size, depth: 1, bars: [], ...rest };
}

const echo = (connections, size, bars, variants) =>
  cell(connections, size, { protocol: 'echo', handler: 'echo', bars, variants });

const VARIANTS = { 'coronet-borrow': 'echo-borrow', 'coronet-into': 'echo-into' };

const large = (limit) => [
  ['coronet-epoll', 1, 'bun'],
  ['coronet-borrow', limit, 'c'],
  ...below('coronet-borrow', 'go'),
];

const lines = (depth, bars) =>
  cell(50, 64, {
    ...{ protocol: 'lines', handler: 'lines', depth, bars },
    variants: { 'coronet-batch': 'lines-batch' },
  });

const frames = (size, depth) =>
  cell(50, size, {
    ...{ protocol: 'frames', handler: 'frames', depth },
    variants: { 'coronet-batch': 'frames-batch' },
  });

const tls = (connections, size, bars) =>
  cell(connections, size, { protocol: 'echo', handler: 'echo', tls: true, bars });

const short = (rest) => cell(50, 16, { handler: 'echo', ...rest });

const ws = (connections, size) =>
  cell(connections, size, {
    ...{ protocol: 'ws', handler: 'echo', webSocket: true },
    bars: [['coronet-epoll', 0.75, 'ws']],
  });

export const SUITES = {
  echo: {
    summary: 'CPU per message and memory per idle connection, compared with C and node:net',
    cells: [
      echo(1, 64),
      echo(50, 64, [['coronet-epoll', 1.08, 'c'], ...below('coronet-epoll', 'bun')]),
      echo(1000, 64, [['coronet-epoll', 1.15, 'c'], ...below('coronet-epoll', 'bun')]),
      echo(1, 16 * KB),
      echo(50, 16 * KB, large(1.1), VARIANTS),
      echo(1000, 16 * KB, large(1.25), VARIANTS),
    ],
    quick: (one) => one.connections > 1,
  },
  lines: {
    summary: 'lines of 64 B, 1 and 16 in flight: line by line, and in batches',
    cells: [
      lines(1, below('coronet-epoll', 'bun', 'go', 'node-net')),
      lines(16, [
        ...below('coronet-batch', 'bun', 'go', 'node-net'),
        ['coronet-epoll', 1.5, 'coronet-batch'],
      ]),
    ],
  },
  frames: {
    summary: 'frames of 64 B and 16 KB with a length of four bytes',
    cells: [frames(64, 1), frames(64, 16), frames(16 * KB, 1)],
  },
  tls: {
    summary: 'TLS echo, and TLS handshakes, compared with C and OpenSSL, and node:tls',
    cells: [
      tls(50, 64, [['coronet-epoll', 1.15, 'c']]),
      tls(500, 64, [['coronet-epoll', 1.2, 'c']]),
      tls(50, 16 * KB, below('coronet-epoll', 'bun')),
      short({ tls: true, short: 'full' }),
      short({ tls: true, short: 'resumed' }),
    ],
  },
  accept: {
    summary: 'short connections: connect, 16 B, echo, reset',
    cells: [short({ short: 'full', bars: below('coronet-epoll', 'bun') })],
  },
  fanout: {
    summary: 'one message to 1,000 subscribers; the CPU time is that of a delivery',
    cells: [cell(1000, 64, { protocol: 'fanout', handler: 'fanout' })],
  },
  ws: {
    summary: 'WebSocket echo, and one message to 1,000 clients, compared with ws and Bun',
    cells: [
      ...[64, 16 * KB].flatMap((size) => [ws(50, size), ws(1000, size)]),
      cell(1000, 64, {
        ...{ protocol: 'ws-fanout', handler: 'fanout', webSocket: true },
        variants: { 'coronet-unprepared': 'fanout-unprepared' },
        bars: [['coronet-epoll', 0.5, 'ws']],
      }),
    ],
  },
  latency: {
    summary: 'p50, p99 and p99.9 at half of the highest rate of C, in an open loop',
    cells: [
      { ...echo(50, 64), paced: true },
      { ...tls(50, 64), paced: true },
    ],
  },
};

/** Resident memory of an idle connection. */
export const MEMORY_BAR = { server: 'coronet-epoll', bytes: 1536 };

const PORTABLE = 1.1;

/** The bars of a cell that apply to the servers of a run: [server, limit, reference]. */
export function barsOf({ bars = [], paced }) {
  return paced ? [] : [...bars, ['coronet-portable', PORTABLE, 'node-net']];
}
