/** `coronet sim FILE`: the scenario of a module in many simulated worlds, or in one again. */
import { availableParallelism } from 'node:os';
import type { Plan } from '../sim/options.ts';
import type { SimReport } from '../sim/report/report.ts';
import { RunTotals } from '../sim/report/report.ts';
import { CommandUsageError } from './errors.ts';
import { readArguments } from './options.ts';
import type { CampaignOutcome } from './sim/campaign.ts';
import { Campaign, Thread } from './sim/campaign.ts';
import type { Block, BlockOutcome, FailureRecord, WorkerInput } from './sim/explorer.ts';
import { loadExplorer } from './sim/explorer.ts';
import { flagsOf, OPTIONS, readWorkers } from './sim/flags.ts';
import * as output from './sim/output.ts';
import { Progress } from './sim/output.ts';

const HELP = `Examples:
  coronet sim race.mjs --runs 10000          seeds 1 to 10000, on all processors
  coronet sim race.mjs --seed 4711           one run again
  coronet sim race.mjs --replay AQEDKgEC…    a failure, shrunk to what matters
  coronet sim race.mjs --runs 1000 --json    for programs

FILE is a module whose default export is a scenario, function* (world) { … }, or an object
{ scenario, options } with the options of \`simulate\`. What stands here goes before those.

Options:
  --seed N               the seed of the first run; default 1. Alone: that one run
  --runs N               how many runs, until one fails; default 1
  --order NAME           fifo, random or pct: which of the ready tasks is next; default random
  --pct-depth N          for pct: how many events have to come in a certain order; default 3
  --replay TOKEN         the run that the token of a failure stands for
  --check-determinism    make each run twice, and compare
  --max-virtual-ms N     a run fails after so much simulated time; default one hour
  --max-steps N          a run fails after so many steps and events; default 1000000
  --no-shrink            tell a failure as it was found
  --workers N            how many threads; default: one for each processor
  --json                 one JSON object on standard output

Exit codes: 0 all runs succeeded, 1 one failed, 2 called wrongly, 130 interrupted.
`;

/** Runs for which one more thread is worth its start. */
const RUNS_PER_THREAD = 200;
const SIGINT_CODE = 130;

/** What has come of a call, and how it is told. */
interface Invocation {
  readonly input: WorkerInput;
  readonly plan: Plan;
  readonly isJson: boolean;
  /** Prints data. */
  print(text: string): void;
}

export async function run(args: readonly string[]): Promise<void> {
  const { values, words } = readArguments(args, OPTIONS);
  if (values['help'] === true) {
    process.stdout.write(HELP);
    return;
  }
  const task = { file: fileOf(words), flags: flagsOf(values) };
  const workers = readWorkers(values);
  const isJson = values['json'] === true;
  const print = isJson ? divertOutput() : write;
  const explorer = await loadExplorer(task);
  const { plan } = explorer;
  const call: Invocation = { input: task, plan, isJson, print };
  // One run stays on this thread, where a debugger finds it.
  if (plan.runs === 1 && workers === undefined) {
    return printSingle(call, await explorer.explore({ first: 0, count: 1, shrink: true }));
  }
  const most = Math.min(availableParallelism(), Math.ceil(plan.runs / RUNS_PER_THREAD));
  await explore(call, workers ?? most);
}

function write(text: string): void {
  process.stdout.write(text);
}

/** What the module prints goes to standard error from now on; the answer prints data. */
function divertOutput(): (text: string) => void {
  const { stdout, stderr } = process;
  const print = stdout.write.bind(stdout);
  stdout.write = stderr.write.bind(stderr);
  return (text) => {
    print(text);
  };
}

function fileOf(words: readonly string[]): string {
  const [file, extra] = words;
  if (file === undefined)
    throw new CommandUsageError('Expected a file: coronet sim FILE. See --help.');
  if (extra === undefined) return file;
  throw new CommandUsageError(`Expected one file, got '${file}' and '${extra}'. See --help.`);
}

function printSingle(call: Invocation, { stats, failure }: BlockOutcome): void {
  if (failure !== null) return printFailure(call, failure);
  const tally = new RunTotals(call.plan);
  for (const figure of stats) tally.add(figure);
  printSuccess(call, tally.report());
}

function printSuccess({ plan, isJson, print }: Invocation, report: SimReport): void {
  print(isJson ? output.successJson(report) : output.successText(report, plan));
}

/** The runs on threads, until they are done, one fails, or somebody has had enough. */
async function explore(call: Invocation, threads: number): Promise<void> {
  const progress = new Progress(call.plan.runs);
  const campaign = new Campaign(call.plan, call.input, (runs) => progress.update(runs));
  const outcome = await interruptible(
    () => campaign.run(threads).finally(() => progress.end()),
    () => campaign.interrupt(),
  );
  const { failure, isInterrupted, report } = outcome;
  if (isInterrupted) return printInterrupted(call, outcome);
  if (failure !== null) return await rerunAlone(call, failure);
  printSuccess(call, report);
}

/** Ctrl-C ends the work in order; a second one ends the process. */
async function interruptible<T>(work: () => Promise<T>, interrupt: () => void): Promise<T> {
  let isInterrupted = false;
  const onSignal = (): void => {
    if (isInterrupted) process.exit(SIGINT_CODE);
    isInterrupted = true;
    interrupt();
  };
  process.on('SIGINT', onSignal);
  try {
    return await work();
  } finally {
    process.off('SIGINT', onSignal);
  }
}

function printInterrupted(call: Invocation, { report, failure }: CampaignOutcome): void {
  const { plan, isJson, print } = call;
  if (failure !== null) printFailure(call, failure, 'Interrupted: seeds before may fail, too.');
  else if (isJson) print(output.interruptedJson(report, plan));
  else process.stderr.write(output.interruptedText(report, plan));
  process.exitCode = SIGINT_CODE;
}

/** The failed run once more, alone on a fresh thread, as the command in the message runs it. */
async function rerunAlone(call: Invocation, found: FailureRecord): Promise<void> {
  const thread = new Thread(call.input);
  const block: Block = { first: found.run, count: 1, shrink: true };
  let isInterrupted = false;
  const interrupt = (): void => {
    isInterrupted = true;
    void thread.end();
  };
  try {
    const { failure } = await interruptible(() => thread.explore(block), interrupt);
    if (failure !== null) printFailure(call, failure);
    else printFailure(call, found, output.notReproducedText(found));
  } catch (error) {
    if (!isInterrupted) throw error;
    printFailure(call, found);
  } finally {
    await thread.end();
  }
}

function printFailure(
  { plan, isJson, print }: Invocation,
  failure: FailureRecord,
  note = '',
): void {
  process.exitCode = 1;
  if (isJson) print(output.failureJson(failure, plan, note));
  else process.stderr.write(output.failureText(failure, note));
}
