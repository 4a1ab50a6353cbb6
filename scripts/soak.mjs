/**
 * `npm run soak`: runs that take longer than a test may. Two parts:
 *  - the campaigns of test/sim/campaigns with many more seeds than in the tests, each with
 *    `coronet sim`, which spreads its runs over threads;
 *  - faults on loopback sockets: the scenarios of test/faults, which are servers in their own
 *    processes with hostile clients and a system without resources, and topics with real
 *    nats-server processes that fail.
 *
 * It uses dist/ (`npm run build`) and prints a table for each part. Exit codes: 1 if a run failed,
 * with its report and the command that repeats it, 2 for wrong options. --runs and the sizes of the
 * scenarios limit the work. After --minutes, campaigns are interrupted and nothing more is started.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const HELP = `Usage: npm run soak -- [options]

  npm run soak                                     every campaign, 10,000 seeds in each order;
                                                   then every scenario on real sockets
  npm run soak -- --only faults                    the scenarios on real sockets
  npm run soak -- --only slowloris,sigterm --size short
  npm run soak -- --only drain,proxy --runs 50000
  npm run soak -- --only drain --order pct --seed 77 --runs 1    repeats one run

  --only a,b     names; sim: all campaigns; faults: all scenarios on real sockets; nats: those with
                 nats-server                 (default: sim,faults)
  --size s       size of the scenarios: short, long  (default: long)
  --order a,b    fifo, random, pct           (default: random,pct)
  --runs n       runs of each campaign in each order (default: 10000)
  --seed n       the first seed              (default: 1)
  --minutes n    time limit                  (default: 60)
  --threads n    number of threads           (default: one per core)
`;

const SIZES = ['short', 'long'];
const ORDERS = ['fifo', 'random', 'pct'];
const root = fileURLToPath(new URL('..', import.meta.url));
const modules = 'build/campaigns/modules';

/** Compiles the campaigns and returns them. Each gets a module for `coronet sim`. */
async function buildCampaigns() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const args = [tsc, '-p', 'test/sim/campaigns/tsconfig.json'];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
  const { campaigns } = await import(pathToFileURL(join(root, 'build/campaigns/list.js')).href);
  mkdirSync(join(root, modules), { recursive: true });
  for (const { name } of campaigns) {
    const text = [
      "import { campaigns } from '../list.js';",
      `const { scenario, options } = campaigns.find(({ name }) => name === '${name}');`,
      'export default { scenario, options };\n',
    ].join('\n');
    writeFileSync(join(root, modules, `${name}.mjs`), text);
  }
  return campaigns;
}

function failUsage(text) {
  process.stderr.write(`${text}\n\n${HELP}`);
  process.exit(2);
}

function wholeNumber(name, value, least) {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= least) return number;
  return failUsage(`Expected --${name} to be a whole number ≥ ${least}, got '${value}'`);
}

function readOptions() {
  const text = (value) => ({ type: 'string', default: value });
  const options = {
    only: text('sim,faults'),
    size: text('long'),
    order: text('random,pct'),
    runs: text('10000'),
    seed: text('1'),
    minutes: text('60'),
    threads: text(String(availableParallelism())),
    help: { type: 'boolean', short: 'h', default: false },
  };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return failUsage(error.message);
  }
}

/** Runs one campaign in one order until `deadline`. Resolves to the JSON of `coronet sim`. */
async function runCampaign({ name }, order, { runs, seed, threads }, deadline) {
  const numbers = { runs, seed, workers: threads };
  const flags = Object.entries({ order, ...numbers }).flatMap(([key, value]) => {
    return [`--${key}`, String(value)];
  });
  const args = ['dist/cli/main.js', 'sim', `${modules}/${name}.mjs`, '--json', ...flags];
  const env = { ...process.env, CORONET_DEBUG: '0' };
  const options = { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] };
  const child = spawn(process.execPath, args, options);
  const timer = setTimeout(() => child.kill('SIGINT'), Math.max(0, deadline - Date.now()));
  try {
    return JSON.parse(Buffer.concat(await child.stdout.toArray()).toString());
  } finally {
    clearTimeout(timer);
  }
}

/** Runs the campaigns and prints their table. */
async function runCampaigns(campaigns, orders, options, deadline) {
  const failures = [];
  process.stdout.write(
    'campaign            order        runs    orders      events   runs/s  result\n',
  );
  for (const campaign of campaigns) {
    for (const order of orders) {
      if (Date.now() > deadline) break;
      const startedAt = performance.now();
      const result = await runCampaign(campaign, order, options, deadline);
      const seconds = (performance.now() - startedAt) / 1000;
      process.stdout.write(`${rowText(campaign, order, result, seconds)}\n`);
      if (!result.ok) failures.push(failureText(campaign, order, result));
      else if (result.warnings.length > 0) process.exitCode = 1;
    }
  }
  if (Date.now() > deadline) process.stdout.write('The time limit was reached.\n');
  for (const failure of failures) process.stdout.write(`\n${failure}\n`);
  if (failures.length > 0) process.exitCode = 1;
}

function rowText({ name, shows }, order, result, seconds) {
  const { ok, interleavings = '-', events = '-', warnings = [], seed } = result;
  const runs = ok ? result.runs : result.run;
  const notes = warnings.length > 0 ? `; warnings: ${warnings.join('; ')}` : '';
  return [
    name.padEnd(19),
    order.padEnd(7),
    String(runs).padStart(9),
    String(interleavings).padStart(9),
    String(ok ? events : '-').padStart(11),
    String(Math.round(runs / seconds)).padStart(8),
    ` ${ok ? shows : `FAILED with seed ${seed}`}${notes}`,
  ].join(' ');
}

function failureText({ name }, order, { message, seed }) {
  const repeat = `npm run soak -- --only ${name} --order ${order} --seed ${seed} --runs 1`;
  return `${message}\n\nRepeat: ${repeat}`;
}

async function main() {
  const options = readOptions();
  if (options.help) return void process.stdout.write(HELP);
  const runs = wholeNumber('runs', options.runs, 1);
  const seed = wholeNumber('seed', options.seed, 0);
  const minutes = Number(options.minutes);
  if (!(minutes > 0)) failUsage(`Expected --minutes to be a number > 0, got '${options.minutes}'`);
  const threads = wholeNumber('threads', options.threads, 1);
  const orders = options.order.split(',');
  const unknown = orders.find((order) => !ORDERS.includes(order));
  if (unknown !== undefined) failUsage(`Unknown order '${unknown}': one of ${ORDERS.join(', ')}`);
  if (!SIZES.includes(options.size)) failUsage(`Unknown size '${options.size}': short or long`);
  const campaigns = await buildCampaigns();
  const { scenarioNames, playScenarios, writeHead } = await import('./soak/faults.mjs');
  const names = namesIn(options.only, {
    sim: campaigns.map(({ name }) => name),
    faults: scenarioNames,
    nats: scenarioNames.filter((name) => name.startsWith('nats-')),
  });
  const selected = campaigns.filter(({ name }) => names.has(name));
  const deadline = Date.now() + minutes * 60_000;
  if (selected.length > 0) await runCampaigns(selected, orders, { runs, seed, threads }, deadline);
  const scenarios = scenarioNames.filter((name) => names.has(name));
  if (scenarios.length === 0) return;
  if (selected.length > 0) process.stdout.write('\n');
  writeHead();
  const succeeded = await playScenarios(scenarios, { size: options.size, deadline });
  if (!succeeded) process.exitCode = 1;
}

/** The names in `text`. The name of a part stands for all names of that part. */
function namesIn(text, parts) {
  const known = new Set(Object.values(parts).flat());
  const names = text.split(',').flatMap((name) => parts[name] ?? [name]);
  const unknown = names.find((name) => !known.has(name));
  if (unknown === undefined) return new Set(names);
  const all = [...Object.keys(parts), ...known].join(', ');
  return failUsage(`Unknown name '${unknown}': one of ${all}`);
}

await main();
