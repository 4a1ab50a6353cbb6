/** What a failed run is told as: an error that holds the story and the way back to it. */
import { firstLine } from '../../support/checks.ts';
import type { AllowedChoices } from '../choices/decisions.ts';
import { DECISION_KINDS } from '../choices/decisions.ts';
import type { OrderName } from '../choices/order.ts';
import type { FailedRun, ShrunkRun } from '../errors.ts';
import { SimulationError } from '../errors.ts';
import type { ReplayCommand } from '../options.ts';
import { encodeReplay } from '../replay/token.ts';
import type { RunResult } from '../run-once.ts';
import { allowOnly, countChoices } from '../shrink/shrink.ts';
import type { ShrinkResult } from '../shrink/shrink-run.ts';
import { chart } from './chart.ts';

/** Lines of the chart, and of the tasks, that a message has at most. */
const MAX_EVENTS = 40;
const MAX_TASKS = 30;

/** Which run it was. */
export interface RunIdentity {
  readonly seed: number;
  /** From 0. */
  readonly run: number;
  readonly runs: number;
  readonly order: OrderName;
  readonly pctDepth: number;
  /** The choices that it was allowed; null: all. */
  readonly allowed: AllowedChoices | null;
  readonly command: ReplayCommand;
}

/** The error for a failed run, and for the one that is left of it, if it was shrunk. */
export function simulationError(
  result: RunResult,
  which: RunIdentity,
  shrunk: ShrinkResult | null = null,
): SimulationError {
  const kept = shrunk === null ? which.allowed : allowOnly(shrunk.choices);
  const replay = encodeReplay({ ...which, allowed: kept });
  const run = { ...failedRun(result, which), replay, shrunk: shrunkRunOf(shrunk) };
  const head = `${runText(which, run)}: ${errorText(result)}`;
  const told = shrunk === null ? [] : ['', shrunkText(shrunk, errorText(result))];
  const lines = [head, ...told, ...detailLines(run.shrunk ?? run), '', replayText(which)];
  const label = kept === null ? '    or' : 'Shrunk';
  lines.push(`${label}: ${which.command.text} --replay ${replay}`);
  return new SimulationError(lines.join('\n'), run);
}

/** What is kept of a failed run. */
export function failedRun(result: RunResult, which: RunIdentity): FailedRun {
  const { seed, run, order } = which;
  return { seed, run, order, ...outcomeOf(result), replay: undefined, shrunk: undefined };
}

function shrunkRunOf(shrunk: ShrinkResult | null): ShrunkRun | undefined {
  if (shrunk === null) return undefined;
  const choices = countChoices(shrunk.choices);
  return { choices, of: shrunk.initialCount, ...outcomeOf(shrunk.result) };
}

function outcomeOf(result: RunResult): Omit<ShrunkRun, 'choices' | 'of'> {
  const { steps, virtualMs, traceHash, failure } = result;
  const events = result.lastEvents();
  return {
    error: failure?.error,
    virtualMs,
    steps,
    events,
    tasks: failure?.tasks ?? [],
    traceHash,
  };
}

function runText({ seed, run, runs, allowed }: RunIdentity, outcome: FailedRun): string {
  const which = runs === 1 ? '' : `, run ${run + 1} of ${runs}`;
  const replayed = allowed === null ? '' : `, replayed with ${allowedText(allowed)}`;
  return `The simulation failed with seed ${seed}${which}${replayed}, ${whenText(outcome)}`;
}

function allowedText(kept: AllowedChoices): string {
  const count = DECISION_KINDS.reduce((sum, kind) => sum + kept[kind].size, 0);
  return `${count} ${count === 1 ? 'choice' : 'choices'} of it`;
}

function whenText({ virtualMs, steps }: Omit<ShrunkRun, 'choices' | 'of'>): string {
  return `after ${Number(virtualMs.toFixed(3))} virtual ms and ${steps} steps`;
}

/** Numbers in the error's text may differ: then it is told again. */
function shrunkText({ choices: left, initialCount, result }: ShrinkResult, error: string): string {
  const own = errorText(result);
  const end = `${whenText(outcomeOf(result))}${own === error ? ':' : `: ${own}`}`;
  const choices = countChoices(left);
  if (choices === 0) return `It fails the same way when nothing is left to chance, ${end}`;
  const kinds = DECISION_KINDS.filter((kind) => left[kind].length > 0);
  const list = kinds.map((kind) => `${kind} ${left[kind].length}`).join(', ');
  const count = `${choices} of its ${initialCount} random choices`;
  return `It fails the same way with ${count} (${list}), ${end}`;
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

function detailLines(run: Pick<ShrunkRun, 'events' | 'tasks'>): string[] {
  const lines: string[] = [];
  if (run.events.length > 0) {
    lines.push('', 'What happened last:', ...indent(chart(run.events, MAX_EVENTS)));
  }
  if (run.tasks.length > 0) {
    lines.push('', 'Tasks that had not ended:', ...indent(run.tasks.slice(0, MAX_TASKS)));
    const more = run.tasks.length - MAX_TASKS;
    if (more > 0) lines.push(`  and ${more} more`);
  }
  return lines;
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

/** The command that plays the run again. */
export function replayText({ seed, order, pctDepth, command }: RunIdentity): string {
  const options = order === command.order ? '' : ` --order ${order}`;
  const depth = pctDepth === command.pctDepth ? '' : ` --pct-depth ${pctDepth}`;
  return `Replay: ${command.text} --seed ${seed}${options}${depth}`;
}
