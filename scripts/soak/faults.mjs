/** The part of `npm run soak` on real sockets: the scenarios of test/faults, and of nats/. */
import { backend, run } from '../../dist/index.js';
import { scenarios as serverScenarios, skipReason } from '../../test/faults/scenarios.mjs';
import { natsScenarios } from './nats/scenarios.mjs';

const scenarios = [...serverScenarios, ...natsScenarios];

export const scenarioNames = scenarios.map(({ name }) => name);

/** The backends that work on this machine. */
async function availableBackends() {
  const first = await run(function* () {
    yield;
    return backend();
  });
  return [...new Set([first, 'portable'])];
}

/**
 * Runs the scenarios called `names`, one after the other, until `deadline`. `size`: 'short' or
 * 'long'. Resolves to false if one has failed.
 */
export async function playScenarios(names, { size, deadline }) {
  const wanted = scenarios.filter(({ name }) => names.includes(name));
  const rows = [];
  const backends = await availableBackends();
  for (const scenario of wanted) {
    for (const backend of backends) {
      if (Date.now() > deadline) break;
      const row = await runScenario(scenario, backend, size);
      rows.push(row);
      process.stdout.write(`${row.line}\n`);
    }
  }
  const left = wanted.length * backends.length - rows.length;
  if (left > 0) process.stdout.write(`Time limit: ${left} scenarios were not run.\n`);
  for (const { failure } of rows) if (failure !== undefined) process.stdout.write(`\n${failure}\n`);
  return rows.every(({ failure }) => failure === undefined);
}

const HEAD =
  'scenario               backend   faults  lost   rss MiB    held MiB   fds     s  load';

export function writeHead() {
  process.stdout.write(`${HEAD}\n`);
}

async function runScenario(scenario, backend, size) {
  const start = `${scenario.name.padEnd(22)} ${backend.padEnd(8)}`;
  const reason = skipReason(scenario, backend);
  if (reason !== undefined) return { line: `${start} skipped: ${reason}` };
  const began = performance.now();
  try {
    const result = await scenario.run({ ...scenario[size], backend });
    return { line: `${start} ${columns(result, performance.now() - began)}` };
  } catch (error) {
    const again = `To repeat: npm run soak -- --only ${scenario.name} --size ${size}`;
    const failure = `${scenario.name} on ${backend}: ${error.message}\n${error.stack}\n${again}`;
    return { line: `${start} FAILED`, failure };
  }
}

/** Measurements before and after, if one server served the whole scenario. */
function columns({ faults, lost, before, after, load }, ms) {
  const pair = (of) => (before === undefined ? '-' : `${of(before)} → ${of(after)}`);
  const mebibytes = (key) => pair((measured) => (measured[key] / 2 ** 20).toFixed(0));
  return [
    String(faults).padStart(7),
    String(lost).padStart(5),
    mebibytes('rss').padStart(9),
    mebibytes('held').padStart(11),
    pair(({ descriptors }) => descriptors).padStart(9),
    (ms / 1000).toFixed(0).padStart(4),
    ` ${load}`,
  ].join(' ');
}
