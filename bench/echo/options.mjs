// The options of `npm run bench -- echo`.

import { count, counts, flag, names, number, parse, peer, text } from '../lib/options.mjs';

export const HELP = `Usage: npm run bench -- echo [options]

Compares echo servers in a closed loop on loopback: CPU per message of the server
process, rate, and memory per idle connection.

  --servers a,b        c, coronet-epoll, coronet-portable, node-net, go   (default: all available)
  --peer name=path     another server; may be repeated
                         bun=<program>             Bun's own sockets
                         node=<program>            node:net in another Node
                         coronet=<dist/index.js>   another build of Coronet, epoll
  --connections 1,50   connections of a cell                   (default 1,50,1000)
  --size 64,16K        bytes of a message                      (default 64,16K)
  --depth n            messages outstanding per connection     (default 1)
  --background n       additional idle connections             (default 0)
  --rounds n           interleaved rounds of each start        (default 3)
  --starts n           fresh processes for each cell           (default 3)
  --seconds s          length of a round                       (default 0.4)
  --memory n           idle connections of the memory table; 0 skips it (default 5000)
  --load-sleeps        the load sleeps in epoll_wait instead of polling (see bench/README.md)
  --js-load            the load in JavaScript, even if there is a C compiler
  --quick              three cells, two starts, no Go: under a minute
  --json               one JSON document with every round, instead of tables
`;

// The cost of Node's echo falls for about a second of traffic (compilation, the size of the young
// generation): a shorter warm-up affects the first rounds. Processes differ from one another more
// than the rounds of one process, so starts are more useful than rounds.
const FULL = { rounds: 3, starts: 3, seconds: 0.4, warmMs: 1200, memoryStarts: 3 };
const QUICK = { rounds: 3, starts: 2, seconds: 0.3, warmMs: 800, memoryStarts: 1 };

const UNITS = { K: 1024 };

const SPEC = {
  servers: text,
  peer: { type: 'string', multiple: true, default: [] },
  connections: text,
  size: text,
  depth: text,
  background: text,
  rounds: text,
  starts: text,
  seconds: text,
  memory: text,
  'load-sleeps': flag,
  'js-load': flag,
  quick: flag,
  json: flag,
  help: { ...flag, short: 'h' },
};

/** Every pair of the two lists; in a quick run without lists, the three most useful pairs. */
function cells(values) {
  if (values.quick && !values.connections && !values.size) {
    return [
      [50, 64],
      [50, 16384],
      [1000, 64],
    ].map(([connections, size]) => ({ connections, size }));
  }
  const sizes = counts('size', values.size ?? '64,16K', UNITS);
  const connections = counts('connections', values.connections ?? '1,50,1000');
  return sizes.flatMap((size) => connections.map((n) => ({ connections: n, size })));
}

export function readOptions(args) {
  const values = parse(args, SPEC);
  const base = values.quick ? QUICK : FULL;
  const given = (name, least) => values[name] && count(name, values[name], least);
  return {
    ...base,
    cells: cells(values),
    servers: names(values.servers),
    peers: values.peer.map(peer),
    depth: given('depth') ?? 1,
    background: given('background', 0) ?? 0,
    rounds: given('rounds') ?? base.rounds,
    starts: given('starts') ?? base.starts,
    seconds: values.seconds ? number('seconds', values.seconds, 0.01) : base.seconds,
    memory: given('memory', 0) ?? 5000,
    loadSleeps: values['load-sleeps'],
    jsLoad: values['js-load'],
    quick: values.quick,
    json: values.json,
    help: values.help,
  };
}
