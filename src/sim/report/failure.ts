/** Formats a failed run as a SimulationError: the error, the last events, the replay commands. */
import { firstLine, propertyOf } from '../../support/checks.ts';
import type { AllowedChoices } from '../choices/decisions.ts';
import { DECISION_KINDS } from '../choices/decisions.ts';
import type { OrderName } from '../choices/order.ts';
import type { FailedRun, RunOutcome, ShrunkRun } from '../errors.ts';
import { SimulationError } from '../errors.ts';
import type { ReplayCommand } from '../options.ts';
import { encodeReplay } from '../replay/token.ts';
import type { RunResult } from '../run-once.ts';
import { allowOnly, countChoices } from '../shrink/shrink.ts';
import type { ShrinkResult } from '../shrink/shrink-run.ts';
import { chart } from './chart.ts';

/** The maximum number of chart lines and of tasks in a message. */
const MAX_EVENTS = 40;
const MAX_TASKS = 30;

/** Identifies a run within its campaign. */
export interface RunIdentity {
  readonly seed: number;
  /** The index of the run, from 0. */
  readonly run: number;
  readonly runs: number;
  readonly order: OrderName;
  readonly pctDepth: number;
  /** The choices that may differ from their defaults; null: all. */
  readonly allowed: AllowedChoices | null;
  readonly command: ReplayCommand;
}

/** The error of a failed run, and of the run that it was shrunk to. */
export function simulationError(
  result: RunResult,
  identity: RunIdentity,
  shrunk: ShrinkResult | null = null,
): SimulationError {
  const allowed = shrunk === null ? identity.allowed : allowOnly(shrunk.choices);
  const replay = encodeReplay({ ...identity, allowed });
  const run = { ...failedRun(result, identity), replay, shrunk: shrunkRunOf(shrunk) };
  const head = `${runText(identity, run)}: ${errorText(result)}`;
  const shrunkLines = shrunk === null ? [] : ['', shrunkText(shrunk, errorText(result))];
  const lines = [head, ...shrunkLines, ...detailLines(run.shrunk ?? run), '', replayText(identity)];
  const label = allowed === null ? '    or' : 'Shrunk';
  lines.push(`${label}: ${identity.command.text} --replay ${replay}`);
  return new SimulationError(lines.join('\n'), run);
}

/** The properties of the error of a failed run that was not shrunk and has no token. */
export function failedRun(result: RunResult, { seed, run, order }: RunIdentity): FailedRun {
  return { seed, run, order, ...outcomeOf(result), replay: undefined, shrunk: undefined };
}

function shrunkRunOf(shrunk: ShrinkResult | null): ShrunkRun | undefined {
  if (shrunk === null) return undefined;
  const choices = countChoices(shrunk.choices);
  return { choices, of: shrunk.initialCount, ...outcomeOf(shrunk.result) };
}

function outcomeOf({ steps, virtualMs, traceHash, failure, lastEvents }: RunResult): RunOutcome {
  const [error, tasks] = [failure?.error, failure?.tasks ?? []];
  return { error, virtualMs, steps, events: lastEvents(), tasks, traceHash };
}

function runText({ seed, run, runs, allowed }: RunIdentity, outcome: FailedRun): string {
  const which = runs === 1 ? '' : `, run ${run + 1} of ${runs}`;
  const replayed = allowed === null ? '' : `, replayed with ${allowedText(allowed)}`;
  return `The simulation failed with seed ${seed}${which}${replayed}, ${whenText(outcome)}`;
}

function allowedText(allowed: AllowedChoices): string {
  const count = DECISION_KINDS.reduce((sum, kind) => sum + allowed[kind].size, 0);
  return `${count} of its random choices`;
}

function whenText({ virtualMs, steps }: RunOutcome): string {
  return `after ${Number(virtualMs.toFixed(3))} virtual ms and ${steps} steps`;
}

/** Repeats the error of the shrunk run only if it differs, for example in a number. */
function shrunkText({ choices, initialCount, result }: ShrinkResult, error: string): string {
  const own = errorText(result);
  const end = `${whenText(outcomeOf(result))}${own === error ? ':' : `: ${own}`}`;
  const total = countChoices(choices);
  if (total === 0) return `It fails the same way without any random choice, ${end}`;
  const kinds = DECISION_KINDS.filter((kind) => choices[kind].length > 0);
  const list = kinds.map((kind) => `${kind} ${choices[kind].length}`).join(', ');
  const count = `${total} of its ${initialCount} random choices`;
  return `It fails the same way with ${count} (${list}), ${end}`;
}

/** "Error: lost update (host 'server', in task 'writer' of 'server')". */
function errorText({ failure }: RunResult): string {
  const error = failure?.error;
  const names = taskChain(error).map((name) => `'${name}'`);
  const chain = names.length > 0 ? `in task ${names.join(' of ')}` : '';
  const host = failure === null || failure.host === '' ? '' : `host '${failure.host}'`;
  const where = [host, chain].filter((text) => text !== '').join(', ');
  return where === '' ? firstLine(error) : `${firstLine(error)} (${where})`;
}

/** The names of the failed task and of the tasks around it, innermost first. */
export function taskChain(error: unknown): string[] {
  const tasks = propertyOf(error, 'tasks');
  // A DeadlockError has tasks, too. The report lists them in another place.
  const isChain = Array.isArray(tasks) && !Object.keys(error as object).includes('tasks');
  return isChain ? tasks.map(String) : [];
}

function detailLines(run: RunOutcome): string[] {
  const lines: string[] = [];
  if (run.events.length > 0) {
    lines.push('', 'The last events:', ...indent(chart(run.events, MAX_EVENTS)));
  }
  if (run.tasks.length > 0) {
    lines.push('', 'Unfinished tasks:', ...indent(run.tasks.slice(0, MAX_TASKS)));
    const more = run.tasks.length - MAX_TASKS;
    if (more > 0) lines.push(`  and ${more} more`);
  }
  return lines;
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

/** The command that repeats the run. */
export function replayText({ seed, order, pctDepth, command }: RunIdentity): string {
  const options = order === command.order ? '' : ` --order ${order}`;
  const depth = pctDepth === command.pctDepth ? '' : ` --pct-depth ${pctDepth}`;
  return `Replay: ${command.text} --seed ${seed}${options}${depth}`;
}
