// The options of the network benchmarks.

import {
  count,
  counts,
  flag,
  names,
  number,
  parse,
  peer,
  text,
  UsageError,
} from '../lib/options.mjs';
import { serverNames } from './programs.mjs';
import { SUITES } from './suites.mjs';

export const HELP = `Usage: npm run bench -- <name>... [options]

${Object.entries(SUITES)
  .map(([name, { summary }]) => `  ${name.padEnd(8)}  ${summary}`)
  .join('\n')}

Compares servers on loopback: CPU time of the server process per message, and rate.

  --servers a,b        c, coronet-epoll, coronet-portable, node-net, bun, go, ws, and the variants
                       in the tables                           (default: all available)
  --peer name=path     another server; may be repeated
                         bun=<program>             Bun, instead of the one in the PATH
                         node=<program>            node:net, node:tls or ws in another Node
                         coronet=<dist/index.js>   another build of Coronet, epoll
  --connections 1,50   instead of the connections of the cells
  --size 64,16K        instead of the bytes of a message
  --depth 1,16         instead of the messages outstanding per connection
  --background n       additional idle connections (echo)      (default 0)
  --rounds n           interleaved rounds of each start        (default 3)
  --starts n           fresh processes for each cell           (default 3)
  --seconds s          length of a round                       (default 0.4)
  --memory n           idle connections of the memory table of echo; 0 skips it (default 5000)
  --load-sleeps        the load sleeps in epoll_wait instead of polling (see bench/README.md)
  --js-load            echo: the load in JavaScript, even if there is a C compiler
  --quick              fewer cells of echo, one start, short rounds: 15 seconds a cell
  --json               one JSON document with every round, instead of tables
`;

// The cost of Node's echo falls for about a second of traffic (compilation, the size of the young
// generation): a shorter warm-up affects the first rounds. Processes differ from one another more
// than the rounds of one process, so starts are more useful than rounds.
const FULL = { rounds: 3, starts: 3, seconds: 0.4, warmMs: 1200, memoryStarts: 3 };
const QUICK = { rounds: 3, starts: 1, seconds: 0.25, warmMs: 700, memoryStarts: 1 };

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

/** Each cell with each of the given values; equal cells once. */
function withValues(cells, name, values) {
  if (!values) return cells;
  const all = cells.flatMap((cell) => values.map((value) => ({ ...cell, [name]: value })));
  const keys = all.map((cell) => JSON.stringify({ ...cell, bars: [], variants: {} }));
  return all.filter((_, i) => keys.indexOf(keys[i]) === i);
}

function cellsOf(suite, values) {
  const { cells, quick = () => true } = SUITES[suite];
  const chosen = values.quick && !values.connections ? cells.filter(quick) : cells;
  let result = chosen.map((cell) => ({ suite, ...cell }));
  for (const name of ['connections', 'size', 'depth']) {
    result = withValues(result, name, values[name] && counts(name, values[name], UNITS));
  }
  return result;
}

function checkServers(servers, cells) {
  const known = new Set(cells.flatMap(serverNames));
  const unknown = servers?.find((name) => !known.has(name));
  if (unknown === undefined) return;
  throw new UsageError(`Unknown server '${unknown}': one of ${[...known].join(', ')}`);
}

export function readOptions(args, suites) {
  const values = parse(args, SPEC);
  const base = values.quick ? QUICK : FULL;
  const given = (name, least) => values[name] && count(name, values[name], least);
  const cells = suites.flatMap((suite) => cellsOf(suite, values));
  const servers = names(values.servers);
  checkServers(servers, cells);
  return {
    ...base,
    cells,
    servers,
    peers: values.peer.map(peer),
    background: given('background', 0) ?? 0,
    rounds: given('rounds') ?? base.rounds,
    starts: given('starts') ?? base.starts,
    seconds: values.seconds ? number('seconds', values.seconds, 0.01) : base.seconds,
    memory: suites.includes('echo') ? (given('memory', 0) ?? 5000) : 0,
    loadSleeps: values['load-sleeps'],
    jsLoad: values['js-load'],
    json: values.json,
    help: values.help,
  };
}
