/** What a failed run is told as: an error that holds the story and the way back to it. */
import { firstLine } from '../kernel/checks.ts';
import { chart } from './chart.ts';
import type { FailedRun } from './errors.ts';
import { SimulationError } from './errors.ts';
import type { OrderName } from './order.ts';
import { DEFAULT_ORDER } from './order.ts';
import type { RunResult } from './run-once.ts';

/** Lines of the chart, and of the tasks, that a message has at most. */
const MOST_EVENTS = 40;
const MOST_TASKS = 30;

/** Which run it was. */
export interface RunIdentity {
  readonly seed: number;
  /** From 0. */
  readonly run: number;
  readonly runs: number;
  readonly order: OrderName;
}

/** The error for a failed run. */
export function simulationError(result: RunResult, which: RunIdentity): SimulationError {
  const run = failedRun(result, which);
  const head = `${runText(which, run)}: ${errorText(result)}`;
  return new SimulationError([head, ...story(run), '', replayText(which)].join('\n'), run);
}

/** What is kept of a failed run. */
export function failedRun(result: RunResult, which: RunIdentity): FailedRun {
  const { steps, virtualMs, traceHash, failure } = result;
  return {
    seed: which.seed,
    run: which.run,
    order: which.order,
    error: failure?.error,
    virtualMs,
    steps,
    events: result.lastEvents(),
    tasks: failure?.tasks ?? [],
    traceHash,
    replay: undefined,
  };
}

function runText({ seed, run, runs }: RunIdentity, { virtualMs, steps }: FailedRun): string {
  const which = runs === 1 ? '' : `, run ${run + 1} of ${runs}`;
  const when = `after ${Number(virtualMs.toFixed(3))} virtual ms and ${steps} steps`;
  return `The simulation failed with seed ${seed}${which}, ${when}`;
}

/** "Error: lost update (host 'server', in task 'writer' of 'server')". */
function errorText({ failure }: RunResult): string {
  const error = failure?.error;
  const tasks = (error as { readonly tasks?: unknown } | null | undefined)?.tasks;
  // A deadlock has tasks, too: they stand below.
  const isChain = Array.isArray(tasks) && !Object.keys(error as object).includes('tasks');
  const chain = isChain ? `in task ${tasks.map((name) => `'${name}'`).join(' of ')}` : '';
  const host = failure === null || failure.host === '' ? '' : `host '${failure.host}'`;
  const where = [host, chain].filter((text) => text !== '').join(', ');
  return where === '' ? firstLine(error) : `${firstLine(error)} (${where})`;
}

function story(run: FailedRun): string[] {
  const lines: string[] = [];
  if (run.events.length > 0) {
    lines.push('', 'What happened last:', ...indent(chart(run.events, MOST_EVENTS)));
  }
  if (run.tasks.length > 0) {
    lines.push('', 'Tasks that had not ended:', ...indent(run.tasks.slice(0, MOST_TASKS)));
    const more = run.tasks.length - MOST_TASKS;
    if (more > 0) lines.push(`  and ${more} more`);
  }
  return lines;
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

/** The command that plays the run again. */
export function replayText({ seed, order }: RunIdentity): string {
  const options = order === DEFAULT_ORDER ? '' : ` --order ${order}`;
  return `Replay: coronet sim FILE --seed ${seed}${options}`;
}
