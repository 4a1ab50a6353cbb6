// What `npm run bench -- switch spawn channel timers cancel` understands.

import { parseArgs } from 'node:util';

export const HELP = `Usage: npm run bench -- <name>... [options]

Names: switch, spawn, channel, timers, cancel.

Measures what tasks cost, beside async functions, Effect 4 and effection 4, each in processes of
its own. The peers are installed apart: npm install --prefix bench

  --runtimes a,b       coronet, promise, effect, effection     (default: what is installed)
  --peer coronet=path  another build's dist/index.js; may be repeated
  --only text          the cases whose name contains the text
  --rounds n           interleaved rounds of each start        (default 3)
  --starts n           fresh processes for each case           (default 2)
  --ms n               length of a round                       (default 60)
  --quick              fewer and shorter: all five in about half a minute
  --json               one JSON document with every round, instead of tables
`;

// `once`: rounds of what happens once, each in a fresh process. `part`: of the peers' tasks there.
const FULL = { rounds: 3, starts: 2, ms: 60, warmMs: 200, once: 3, part: 1 };
const QUICK = { rounds: 3, starts: 1, ms: 40, warmMs: 120, once: 1, part: 0.2 };

const text = { type: 'string' };
const flag = { type: 'boolean', default: false };
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

export class UsageError extends Error {}

function count(name, value) {
  const parsed = Number(value);
  if (Number.isInteger(parsed) && parsed >= 1) return parsed;
  throw new UsageError(`Expected --${name} to be a whole number ≥ 1, got '${value}'`);
}

function build(given) {
  const [, path] = given.match(/^coronet=(.+)$/) ?? [];
  if (path) return path;
  throw new UsageError(`Expected --peer coronet=<dist/index.js>, got '${given}'`);
}

function parse(args) {
  try {
    return parseArgs({ args, options: SPEC }).values;
  } catch (error) {
    throw new UsageError(error.message);
  }
}

export function readOptions(args) {
  const { runtimes, peer, rounds, starts, ms, ...values } = parse(args);
  const base = values.quick ? QUICK : FULL;
  return {
    ...base,
    ...values,
    runtimes: runtimes?.split(',').map((name) => name.trim()),
    builds: peer.map(build),
    rounds: rounds ? count('rounds', rounds) : base.rounds,
    starts: starts ? count('starts', starts) : base.starts,
    ms: ms ? count('ms', ms) : base.ms,
  };
}
