/**
 * `npm run soak`: what takes longer than a test may. Two parts:
 *  - the campaigns of test/sim/campaigns with many more seeds than the tests play, spread over
 *    threads, one per core;
 *  - the scenarios of test/faults: servers in processes of their own, on loopback sockets
 *    interface, against clients and a system that do their worst.
 *
 * It uses dist/ (`npm run build`). Prints a table for each part; exits with 1 if a run failed, with
 * the story of that run and the command that plays it again, and with 2 for wrong options. Bounded
 * by --runs and by the sizes of the scenarios, and by --minutes: what has not begun then is left
 * out.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

const HELP = `Usage: npm run soak -- [options]

  npm run soak                                     every campaign, 10,000 seeds in each order;
                                                   then every scenario on real sockets
  npm run soak -- --only faults                      the scenarios on real sockets only
  npm run soak -- --only slowloris,sigterm --size short
  npm run soak -- --only drain,proxy --runs 50000
  npm run soak -- --only drain --order pct --seed 77 --runs 1    plays one run again

  --only a,b     by name; sim: all campaigns; faults: all scenarios on real sockets
                                         (default: sim,faults)
  --size s       of those scenarios: short, long    (default: long)
  --order a,b    fifo, random, pct       (default: random,pct)
  --runs n       of each, in each order  (default: 10000)
  --seed n       the first seed          (default: 1)
  --minutes n    begin nothing after     (default: 60)
  --threads n    at once                 (default: one per core)
`;

const SIZES = ['short', 'long'];
const ORDERS = ['fifo', 'random', 'pct'];
const root = fileURLToPath(new URL('..', import.meta.url));
const list = pathToFileURL(join(root, 'build/campaigns/list.js')).href;

/** So many runs are one piece of work: a thread that is through takes the next one. */
const BLOCK = 2000;

// ---- in a thread ----

async function work() {
  const { campaigns } = await import(list);
  const { simulate } = await import('coronet/sim');
  parentPort.on('message', async ({ name, order, seed, runs }) => {
    const { scenario, options } = campaigns.find((campaign) => campaign.name === name);
    const begin = performance.now();
    try {
      const report = await simulate(scenario, { ...options, order, seed, runs, debug: false });
      const { interleavings, events, warnings } = report;
      const wallMs = performance.now() - begin;
      parentPort.postMessage({ runs, interleavings, events, warnings, wallMs });
    } catch (error) {
      parentPort.postMessage({ failure: { seed: error.seed, text: String(error.message) } });
    }
  });
}

// ---- in the main thread ----

function build() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const args = [tsc, '-p', 'test/sim/campaigns/tsconfig.json'];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

function wrong(text) {
  process.stderr.write(`${text}\n\n${HELP}`);
  process.exit(2);
}

function whole(name, value, least) {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= least) return number;
  return wrong(`Expected --${name} to be a whole number ≥ ${least}, got '${value}'`);
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
    return wrong(error.message);
  }
}

/** One campaign in one order, and what has come of it. */
class Row {
  constructor(campaign, order) {
    this.campaign = campaign;
    this.order = order;
    this.total = { runs: 0, interleavings: 0, events: 0, wallMs: 0 };
    this.warnings = new Set();
    this.failure = undefined;
  }

  get replay() {
    const { campaign, order, failure } = this;
    const seed = `--seed ${failure.seed} --runs 1`;
    return `npm run soak -- --only ${campaign.name} --order ${order} ${seed}`;
  }

  add({ failure, warnings = [], ...figures }) {
    const earlier = this.failure === undefined || failure?.seed < this.failure.seed;
    if (failure !== undefined && earlier) this.failure = failure;
    for (const warning of warnings) this.warnings.add(warning);
    for (const key of Object.keys(this.total)) this.total[key] += figures[key] ?? 0;
  }

  toString() {
    const { campaign, order, total, failure, warnings } = this;
    const perSecond = total.wallMs > 0 ? Math.round((total.runs * 1000) / total.wallMs) : 0;
    const end = failure === undefined ? campaign.shows : `FAILED with seed ${failure.seed}`;
    return [
      campaign.name.padEnd(12),
      order.padEnd(7),
      String(total.runs).padStart(9),
      String(total.interleavings).padStart(9),
      String(total.events).padStart(11),
      String(perSecond).padStart(8),
      ` ${end}${warnings.size > 0 ? `; warnings: ${[...warnings].join('; ')}` : ''}`,
    ].join(' ');
  }
}

/** The pieces of work, campaign by campaign. */
function* blocksOf(rows, seed, runs) {
  for (const row of rows) {
    for (let at = 0; at < runs && row.failure === undefined; at += BLOCK) {
      yield { row, seed: seed + at, runs: Math.min(BLOCK, runs - at) };
    }
  }
}

/** Every thread takes the next piece until none is left, or the time is over. */
async function play(blocks, threads, deadline) {
  const one = async () => {
    const worker = new Worker(new URL(import.meta.url));
    try {
      for (const { row, seed, runs } of blocks) {
        if (Date.now() > deadline) return;
        const { campaign, order } = row;
        const answer = new Promise((resolve, reject) => {
          worker.once('message', resolve).once('error', reject);
        });
        worker.postMessage({ name: campaign.name, order, seed, runs });
        row.add(await answer);
        worker.removeAllListeners('error');
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: threads }, one));
}

async function main() {
  const options = readOptions();
  if (options.help) return void process.stdout.write(HELP);
  const runs = whole('runs', options.runs, 1);
  const seed = whole('seed', options.seed, 0);
  const minutes = Number(options.minutes);
  if (!(minutes > 0)) wrong(`Expected --minutes to be a number > 0, got '${options.minutes}'`);
  const threads = whole('threads', options.threads, 1);
  const orders = options.order.split(',');
  const unknown = orders.find((order) => !ORDERS.includes(order));
  if (unknown !== undefined) wrong(`Unknown order '${unknown}': one of ${ORDERS.join(', ')}`);
  if (!SIZES.includes(options.size)) wrong(`Unknown size '${options.size}': short or long`);
  build();
  const { campaigns } = await import(list);
  const { scenarioNames, playScenarios, writeHead } = await import('./soak/faults.mjs');
  const names = namesIn(options.only, {
    sim: campaigns.map(({ name }) => name),
    faults: scenarioNames,
  });
  const played = campaigns.filter(({ name }) => names.has(name));
  const rows = played.flatMap((campaign) => orders.map((order) => new Row(campaign, order)));
  const deadline = Date.now() + minutes * 60_000;
  if (rows.length > 0) {
    await play(blocksOf(rows, seed, runs), threads, deadline);
    report(rows, runs);
  }
  const scenarios = scenarioNames.filter((name) => names.has(name));
  if (scenarios.length === 0) return;
  if (rows.length > 0) process.stdout.write('\n');
  writeHead();
  const isWell = await playScenarios(scenarios, { size: options.size, deadline });
  if (!isWell) process.exitCode = 1;
}

/** The names in `text`, where the name of a part stands for all names of that part. */
function namesIn(text, parts) {
  const known = new Set(Object.values(parts).flat());
  const names = text.split(',').flatMap((name) => parts[name] ?? [name]);
  const unknown = names.find((name) => !known.has(name));
  if (unknown === undefined) return new Set(names);
  const all = [...Object.keys(parts), ...known].join(', ');
  return wrong(`Nothing is called '${unknown}': one of ${all}`);
}

function report(rows, runs) {
  const head = 'campaign     order        runs    orders      events   runs/s  shows';
  process.stdout.write(`${[head, ...rows].join('\n')}\n`);
  const short = rows.filter((row) => row.failure === undefined && row.total.runs < runs);
  if (short.length > 0) process.stdout.write('The time was over before all was played.\n');
  const failed = rows.filter(({ failure, warnings }) => failure !== undefined || warnings.size > 0);
  for (const row of failed.filter(({ failure }) => failure !== undefined)) {
    process.stdout.write(`\n${row.failure.text}\n\nAgain: ${row.replay}\n`);
  }
  if (failed.length > 0) process.exitCode = 1;
}

await (isMainThread ? main() : work());
