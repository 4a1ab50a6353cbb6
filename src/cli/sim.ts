/** `coronet sim FILE`: simulates the scenario of a module with many seeds, or repeats one run. */
import { availableParallelism } from 'node:os';
import type { Plan } from '../sim/options.ts';
import type { SimReport } from '../sim/report/report.ts';
import { RunTotals } from '../sim/report/report.ts';
import { CommandUsageError } from './errors.ts';
import { readArguments } from './options.ts';
import type {
  Block,
  BlockOutcome,
  FailureRecord,
  StoryRun,
  ThreadInput,
} from './sim/block-runner.ts';
import { loadBlockRunner } from './sim/block-runner.ts';
import type { CampaignOutcome } from './sim/campaign.ts';
import { Campaign, Thread } from './sim/campaign.ts';
import type { Files } from './sim/files.ts';
import { filesOf, writeFiles } from './sim/files.ts';
import { flagsOf, OPTIONS, readWorkers } from './sim/flags.ts';
import * as output from './sim/output.ts';
import { Progress } from './sim/output.ts';

const HELP = `Examples:
  coronet sim race.mjs --runs 10000          seeds 1 to 10000, on all processors
  coronet sim race.mjs --seed 4711           repeat one run
  coronet sim race.mjs --replay AQEDKgEC…    repeat the shrunk run of a failure
  coronet sim race.mjs --runs 1000 --json    JSON output

FILE is a module whose default export is a scenario, function* (world) { … }, or an object
{ scenario, options } with options of \`simulate\`. Options of the command line override them.

Options:
  --seed N               the seed of the first run; default 1. Without --runs: one run
  --runs N               the number of runs, until one fails; default 1
  --order NAME           scheduling order: fifo, random or pct; default random
  --pct-depth N          for pct: the number of events whose order triggers the bug; default 3
  --replay TOKEN         repeat the run of a replay token
  --check-determinism    simulate each run twice and compare
  --max-virtual-ms N     a run fails after so much virtual time; default one hour
  --max-steps N          a run fails after so many steps and events; default 1000000
  --no-shrink            report a failure without shrinking it
  --workers N            the number of threads; default: one per processor
  --report FILE          write the failed run as a picture: one HTML file for a browser
  --trace FILE           write the failed run as a trace for Perfetto: JSON
  --json                 one JSON object on standard output

--report and --trace show the shrunk run. If no run fails, they write nothing, except for a
single run, which is written although it succeeded.

Exit codes: 0 all runs succeeded, 1 a run failed, 2 wrong usage, 130 interrupted.
`;

/** The number of runs that justifies one more thread. */
const RUNS_PER_THREAD = 200;
const SIGINT_CODE = 130;

/** One call of the command, and its output. */
interface Invocation {
  readonly input: ThreadInput;
  readonly plan: Plan;
  readonly isJson: boolean;
  readonly files: Files;
  /** Prints the report. */
  print(text: string): void;
}

export async function run(args: readonly string[]): Promise<void> {
  const { values, words } = readArguments(args, OPTIONS);
  if (values['help'] === true) return void process.stdout.write(HELP);
  const input = { file: fileOf(words), flags: flagsOf(values) };
  const workers = readWorkers(values);
  const files = filesOf(values, input.file);
  const isJson = values['json'] === true;
  const print = isJson ? divertOutput() : (text: string) => void process.stdout.write(text);
  const runner = await loadBlockRunner(input);
  const { plan } = runner;
  const call: Invocation = { input, plan, isJson, files, print };
  // A single run stays on the main thread, where it can be debugged.
  if (plan.runs === 1 && workers === undefined) {
    const block = { first: 0, count: 1, shrink: true, record: isRecorded(call) };
    return printSingle(call, await runner.runBlock(block));
  }
  const useful = Math.min(availableParallelism(), Math.ceil(plan.runs / RUNS_PER_THREAD));
  await runCampaign(call, workers ?? useful);
}

/** Redirects standard output to standard error. The returned function prints to the former. */
function divertOutput(): (text: string) => void {
  const { stdout, stderr } = process;
  const print = stdout.write.bind(stdout);
  stdout.write = stderr.write.bind(stderr);
  return (text) => void print(text);
}

function fileOf(words: readonly string[]): string {
  const [file, extra] = words;
  if (file === undefined) {
    throw new CommandUsageError('Expected a file: coronet sim FILE. See --help.');
  }
  if (extra === undefined) return file;
  throw new CommandUsageError(`Expected one file, got '${file}' and '${extra}'. See --help.`);
}

function isRecorded({ files }: Invocation): boolean {
  return files.report !== undefined || files.trace !== undefined;
}

function printSingle(call: Invocation, { stats, failure, recorded }: BlockOutcome): void {
  if (failure === null) {
    const totals = new RunTotals(call.plan);
    for (const run of stats) totals.add(run);
    printSuccess(call, totals.report());
  } else {
    printFailure(call, failure);
  }
  writeRun(call, failure, recorded);
}

/** Writes --report and --trace, and prints their paths on standard error. */
function writeRun(
  { files, plan, input }: Invocation,
  failure: FailureRecord | null,
  recorded: StoryRun | null,
): void {
  const names = [files.report, files.trace].filter((name) => name !== undefined);
  if (names.length === 0) return;
  const { seed, order } = failure ?? { seed: plan.seed, order: plan.settings.order };
  const context = { file: input.file, seed, order, command: plan.command.text };
  const lines =
    recorded === null
      ? [`Not written: ${names.join(', ')}. ${output.notRecordedText(failure)}`]
      : writeFiles(files, recorded, failure, context);
  process.stderr.write(`\n${lines.join('\n')}\n`);
}

function printSuccess({ plan, isJson, print }: Invocation, report: SimReport): void {
  print(isJson ? output.successJson(report, plan) : output.successText(report, plan));
}

/** Simulates the runs on threads, until all are done, one fails, or Ctrl-C is pressed. */
async function runCampaign(call: Invocation, threads: number): Promise<void> {
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
  writeRun(call, null, null);
}

/** The first Ctrl-C calls `interrupt`, the second ends the process. */
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
  if (failure !== null) printFailure(call, failure, 'Interrupted: earlier seeds may fail as well.');
  else if (isJson) print(output.interruptedJson(report, plan));
  else process.stderr.write(output.interruptedText(report, plan));
  writeRun(call, failure, null);
  process.exitCode = SIGINT_CODE;
}

/** Repeats the failed run on a new thread, as the printed command does, and shrinks it. */
async function rerunAlone(call: Invocation, found: FailureRecord): Promise<void> {
  const thread = new Thread(call.input);
  const record = isRecorded(call);
  const block: Block = { first: found.run, count: 1, shrink: true, record };
  let isInterrupted = false;
  const interrupt = (): void => {
    isInterrupted = true;
    void thread.end();
  };
  try {
    const { failure, recorded } = await interruptible(() => thread.runBlock(block), interrupt);
    if (failure !== null) printFailure(call, failure);
    else printFailure(call, found, output.notReproducedText(found));
    writeRun(call, failure ?? found, recorded);
  } catch (error) {
    if (!isInterrupted) throw error;
    printFailure(call, found);
    writeRun(call, found, null);
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
