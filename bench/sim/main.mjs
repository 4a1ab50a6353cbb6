// `npm run bench -- sim`: simulated runs and events per second on one core.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { facts, on, placement } from '../lib/machine.mjs';
import { out, printer, runMain } from '../lib/main.mjs';
import { count, flag, parse, peer, text, UsageError } from '../lib/options.mjs';
import { LineProcess } from '../lib/process.mjs';
import { describeMachine } from '../lib/rounds.mjs';
import { median, pairedRatio, spread } from '../lib/stats.mjs';
import { digits, grouped, percent, table } from '../lib/table.mjs';

const HELP = `Usage: npm run bench -- sim [options]

Simulates many short runs, and one long run, on one core.

  --peer coronet=dir  the dist of another build, to compare two builds; may be repeated
  --rounds n          rounds of each start, interleaved      (default 5)
  --starts n          fresh processes for each case          (default 2)
  --ms n              length of a round                      (default 1000)
  --quick             one start of three rounds of 500 ms
  --json              one JSON document with every round, instead of a table
`;

const SPEC = {
  peer: { type: 'string', multiple: true, default: [] },
  rounds: text,
  starts: text,
  ms: text,
  quick: flag,
  json: flag,
  help: { ...flag, short: 'h' },
};

const FULL = { rounds: 5, starts: 2, ms: 1000 };
const QUICK = { rounds: 3, starts: 1, ms: 500 };
const WARM_MS = 1500;
const LIMIT_MS = 60_000;

const HOSTILE = { shortReads: 0.3, shortWrites: 0.3, spuriousWakeups: 0.3, slowAccept: 0.3 };

// A short run has about 40 events, so its start and end are most of its cost.
const CASES = [
  { title: 'ping, short runs', name: 'ping', runs: 200, options: {}, runsBar: 2000 },
  { title: 'ping, order pct', name: 'ping', runs: 200, options: { order: 'pct' } },
  { title: 'ping, with faults', name: 'ping', runs: 200, options: { faults: HOSTILE } },
  {
    title: 'one long run',
    name: 'long',
    size: 500,
    runs: 1,
    options: { maxSteps: 100_000_000 },
    eventsBar: 500_000,
  },
];

const runsPerSecond = ({ runs, wallMs }) => (runs * 1000) / wallMs;
const eventsPerSecond = ({ events, wallMs }) => (events * 1000) / wallMs;
const eventsPerCpuSecond = ({ events, cpuMs }) => (events * 1000) / cpuMs;
const cpuPerRun = ({ runs, cpuMs }) => (cpuMs * 1000) / runs;

function readOptions(args) {
  const values = parse(args, SPEC);
  const base = values.quick ? QUICK : FULL;
  const number = (name) => (values[name] ? count(name, values[name]) : base[name]);
  const counts = { rounds: number('rounds'), starts: number('starts'), ms: number('ms') };
  return { ...values, ...counts };
}

function buildsOf(peers) {
  const ours = fileURLToPath(new URL('../../dist', import.meta.url));
  const others = peers.map(peer).map(({ path }, i) => ({ name: `peer ${i + 1}`, path }));
  const builds = [{ name: 'coronet', path: ours }, ...others];
  for (const { path } of builds) {
    if (!existsSync(`${path}/sim.js`)) throw new UsageError(`${path} has no sim.js: npm run build`);
  }
  return builds;
}

/** Rounds of one case: { name, rounds } for each build, measured in turn. */
async function measureCase(one, builds, { starts, rounds, ms, core }) {
  const entries = builds.map(({ name, path }) => ({ name, path, rounds: [] }));
  const child = fileURLToPath(new URL('./child.mjs', import.meta.url));
  for (let start = 0; start < starts; start++) {
    for (const entry of entries) {
      const command = [process.execPath, child, entry.path, JSON.stringify(one)];
      entry.child = new LineProcess(entry.name, on(core, command));
    }
    for (const entry of entries) {
      await entry.child.answer(LIMIT_MS);
      await entry.child.ask(`round ${WARM_MS}`, LIMIT_MS);
    }
    for (let i = 0; i < rounds; i++) {
      for (const entry of entries) {
        entry.rounds.push(await entry.child.ask(`round ${ms}`, LIMIT_MS));
      }
    }
    for (const entry of entries) await entry.child.stop();
  }
  return entries.map(({ name, rounds: all }) => ({ name, rounds: all }));
}

const HEADER = [
  'case',
  'events/run',
  'runs/s',
  'CPU µs/run',
  'events/s',
  'events/CPU s',
  'spread',
  '× CPU',
];

function row(title, { name, rounds }, ours) {
  const of = (figure) => median(rounds.map(figure));
  const costs = ({ events, cpuMs }) => cpuMs / events;
  const ratio = pairedRatio(rounds.map(costs), ours.rounds.map(costs));
  return [
    name === 'coronet' ? title : `  ${name}`,
    grouped(of(({ events, runs }) => events / runs)),
    grouped(of(runsPerSecond)),
    grouped(of(cpuPerRun)),
    grouped(of(eventsPerSecond)),
    grouped(of(eventsPerCpuSecond)),
    percent(spread(rounds.map(eventsPerCpuSecond))),
    digits(ratio),
  ];
}

function bars({ title, runsBar, eventsBar }, { rounds }) {
  const line = (what, bar, figure) => {
    const value = median(rounds.map(figure));
    const verdict = value >= bar ? 'met' : 'MISSED';
    return `  bar: ${title}: ≥ ${grouped(bar)} ${what}: ${grouped(value)}, ${verdict}`;
  };
  return [
    ...(runsBar ? [line('runs per second', runsBar, runsPerSecond)] : []),
    ...(eventsBar ? [line('events per second', eventsBar, eventsPerSecond)] : []),
  ];
}

async function measure(options) {
  const builds = buildsOf(options.peer);
  const machine = facts();
  const { pinned, server: core, why } = placement();
  const print = printer(options);
  print(
    `${describeMachine(machine)}, ${pinned ? `on core ${core}` : `not pinned: ${why}`}\n` +
      `${options.starts} × ${options.rounds} rounds of ${options.ms} ms`,
  );
  const results = [];
  for (const one of CASES) {
    results.push({ one, entries: await measureCase(one, builds, { ...options, core }) });
  }
  const rows = results.flatMap(({ one, entries }) =>
    entries.map((entry) => row(one.title, entry, entries[0])),
  );
  print(`\n${table(HEADER, rows)}`);
  print(results.flatMap(({ one, entries }) => bars(one, entries[0])).join('\n'));
  if (options.json) out(JSON.stringify({ machine, options, results }));
}

export const main = (args) => runMain({ help: HELP, readOptions }, args, measure);
