// The options of `npm run bench -- switch spawn channel timers cancel`.

import { count, flag, names, parse, peer, text, UsageError } from '../lib/options.mjs';

export const HELP = `Usage: npm run bench -- <name>... [options]

Names: switch, spawn, channel, timers, cancel.

Measures the cost of tasks, compared with async functions, Effect 4 and effection 4, each in its
own processes. To install the peers: npm install --prefix bench

  --runtimes a,b       coronet, promise, effect, effection     (default: all installed)
  --peer coronet=path  another build's dist/index.js; may be repeated
  --only text          the cases whose name contains the text
  --rounds n           interleaved rounds of each start        (default 3)
  --starts n           fresh processes for each case           (default 2)
  --ms n               length of a round                       (default 60)
  --quick              fewer and shorter: all five in about half a minute
  --json               one JSON document with every round, instead of tables
`;

// `once`: rounds of cases that run once per process. `part`: the part of the peers' tasks in them.
const FULL = { rounds: 3, starts: 2, ms: 60, warmMs: 200, once: 3, part: 1 };
const QUICK = { rounds: 3, starts: 1, ms: 40, warmMs: 120, once: 1, part: 0.2 };

const SPEC = {
  runtimes: text,
  peer: { type: 'string', multiple: true, default: [] },
  only: { type: 'string', default: '' },
  rounds: text,
  starts: text,
  ms: text,
  quick: flag,
  json: flag,
  help: { ...flag, short: 'h' },
};

function build(given) {
  const { name, path } = peer(given);
  if (name === 'coronet') return path;
  throw new UsageError(`Expected --peer coronet=<dist/index.js>, got '${given}'`);
}

export function readOptions(args) {
  const { runtimes, peer: peers, rounds, starts, ms, ...values } = parse(args, SPEC);
  const base = values.quick ? QUICK : FULL;
  return {
    ...base,
    ...values,
    runtimes: names(runtimes),
    builds: peers.map(build),
    rounds: rounds ? count('rounds', rounds) : base.rounds,
    starts: starts ? count('starts', starts) : base.starts,
    ms: ms ? count('ms', ms) : base.ms,
  };
}
