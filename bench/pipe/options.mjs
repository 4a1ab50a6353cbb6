// The options of `npm run bench -- pipe`.

import { count, counts, flag, names, parse, peer, text } from '../lib/options.mjs';

export const HELP = `Usage: npm run bench -- pipe [options]

Compares relays on loopback, which forward the bytes of the first connection of a pair to the
second: CPU time of the relay per GB (10⁹ bytes), and rate.

  --servers a,b        c, c-splice, coronet-epoll, coronet-portable, node-net, go
                                                            (default: all available)
  --peer name=path     another relay; may be repeated
                         node=<program>            node:net in another Node
                         coronet=<dist/index.js>   another build of Coronet, epoll
  --pairs 1,50         pairs of connections at the same time            (default 1,50)
  --bytes 1G           bytes of a round, over all pairs; K, M, G: 10³, 10⁶, 10⁹ (default 1G)
  --window 512K        most bytes of a pair in flight; K: 1024
                                                            (default 512K, see bench/README.md)
  --rounds n           interleaved rounds of each start                 (default 4)
  --starts n           fresh processes for each cell                    (default 3)
  --load-sleeps        the load sleeps in epoll_wait instead of polling (see bench/README.md)
  --js-load            the load in JavaScript, even if there is a C compiler
  --quick              fewer and shorter rounds: half a minute
  --json               one JSON document with every round, instead of tables
`;

// V8 needs about 15,000 pieces (2 GB in pieces of 128 KB) to compile all of the code path; until
// then the relays in JavaScript use several times as much CPU in user mode.
const FULL = { bytes: 1e9, rounds: 4, starts: 3, warmBytes: 3e9 };
const QUICK = { bytes: 3e8, rounds: 3, starts: 2, warmBytes: 1.5e9 };

const UNITS = { K: 1e3, M: 1e6, G: 1e9 };

const SPEC = {
  servers: text,
  peer: { type: 'string', multiple: true, default: [] },
  pairs: { type: 'string', default: '1,50' },
  bytes: text,
  window: { type: 'string', default: '512K' },
  rounds: text,
  starts: text,
  'load-sleeps': flag,
  'js-load': flag,
  quick: flag,
  json: flag,
  help: { ...flag, short: 'h' },
};

export function readOptions(args) {
  const values = parse(args, SPEC);
  const base = values.quick ? QUICK : FULL;
  return {
    ...base,
    cells: counts('pairs', values.pairs).map((pairs) => ({ pairs })),
    servers: names(values.servers),
    peers: values.peer.map(peer),
    bytes: values.bytes ? count('bytes', values.bytes, 1, UNITS) : base.bytes,
    window: count('window', values.window, 1, { K: 1024, M: 1024 ** 2 }),
    rounds: values.rounds ? count('rounds', values.rounds) : base.rounds,
    starts: values.starts ? count('starts', values.starts) : base.starts,
    loadSleeps: values['load-sleeps'],
    jsLoad: values['js-load'],
    quick: values.quick,
    json: values.json,
    help: values.help,
  };
}
