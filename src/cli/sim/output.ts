/** The output of `coronet sim`: text and JSON, and the progress of a long campaign. */
import type { Plan } from '../../sim/options.ts';
import type { SimReport } from '../../sim/report/report.ts';
import type { FailureRecord } from './block-runner.ts';

/** The maximum number of stack lines that are shown, message included. */
const MAX_STACK_LINES = 12;
const MAX_WARNINGS = 10;

/** The report when all runs have succeeded. */
export function successText(report: SimReport, plan?: Plan): string {
  const { runs, events, virtualMs, interleavings, faults, traceHash, deterministic } = report;
  const lines = [
    `${seedsText(report.seed, runs)}: ${runs === 1 ? 'succeeded' : 'all succeeded'}`,
    `  order          ${report.order}, ${count(interleavings, 'interleaving')}`,
    `  events         ${events}, ${report.steps} of them task steps`,
    `  virtual time   ${timeText(virtualMs)}`,
    `  faults         ${faultsText(faults)}`,
    `  trace          ${traceHash}${deterministic ? '' : ' (not deterministic)'}`,
  ];
  const { warnings } = report;
  for (const warning of warnings.slice(0, MAX_WARNINGS)) lines.push(`  warning: ${warning}`);
  const more = warnings.length - MAX_WARNINGS;
  if (more > 0) lines.push(`  and ${more} more warnings`);
  if (plan?.isReplay === true) lines.push(noLongerFailsText(plan));
  return `${lines.join('\n')}\n`;
}

export function successJson(report: SimReport, plan: Plan): string {
  return json({ ok: true, ...report, ...(plan.isReplay ? { note: noLongerFailsText(plan) } : {}) });
}

/** The note for a replay token whose run succeeds. */
function noLongerFailsText({ command }: Plan): string {
  return (
    'The failure no longer occurs: the run of this token does not fail any more. Other runs of ' +
    `the changed program may. Make many: ${command.text} --runs 1000`
  );
}

/** The message of the error, with the stack of the thrown error before the replay commands. */
export function failureText({ message, error }: FailureRecord, note = ''): string {
  const at = message.lastIndexOf('\n\nReplay: ');
  const [report, commands] = at < 0 ? [message, ''] : [message.slice(0, at), message.slice(at)];
  const stack = ownLines(error.stack ?? '');
  const thrown = stack.length > 1 ? ['', 'The thrown error:', ...stack.map(indent)] : [];
  const notes = note === '' ? [] : ['', note];
  return `${[report, ...thrown, ...notes].join('\n')}${commands}\n`;
}

/** The stack without the frames of the scheduler and below, which are always the same. */
export function ownStack(stack: string): string {
  return ownLines(stack).join('\n');
}

function ownLines(stack: string): string[] {
  const lines = stack.split('\n');
  const end = lines.findIndex((line) =>
    /[\\/](?:kernel[\\/]scheduler|bundles[\\/](?:core|sim))\.[jt]s:/.test(line),
  );
  return lines.slice(0, Math.min(end < 0 ? lines.length : end, MAX_STACK_LINES));
}

/** The commands that repeat the failed run and the shrunk run; `command` selects no run. */
export function replayCommands({ message, replay }: FailureRecord, command: string): Commands {
  return {
    seed: /^Replay: (.*)$/m.exec(message)?.[1] ?? null,
    replay: replay === null ? null : `${command} --replay ${replay}`,
  };
}

interface Commands {
  readonly seed: string | null;
  readonly replay: string | null;
}

export function failureJson(failure: FailureRecord, plan: Plan, note = ''): string {
  const commands = replayCommands(failure, plan.command.text);
  const notes = note === '' ? {} : { note };
  return json({ ok: false, runs: plan.runs, ...failure, commands, ...notes });
}

/** The note for a failure of a campaign that does not fail when its seed is run alone. */
export function notReproducedText({ seed }: FailureRecord): string {
  return (
    `Seed ${seed} failed within the campaign, but does not fail when it runs alone. State may ` +
    'survive from one run to the next (a variable of the module), or come from outside.'
  );
}

/** Why --report and --trace have not written their files. */
export function notRecordedText(failure: FailureRecord | null): string {
  if (failure === null) return 'No run has failed.';
  return 'The failed run was not repeated: run the replay command with the same options.';
}

/** The report after Ctrl-C. */
export function interruptedText(report: SimReport, plan: Plan): string {
  const { runs } = report;
  const done = runs === 0 ? 'no run finished' : `${seedsText(plan.seed, runs)} succeeded`;
  return `Interrupted: ${done}.\nContinue: ${continueCommand(report, plan)}\n`;
}

export function interruptedJson(report: SimReport, plan: Plan): string {
  const next = plan.seed + report.runs;
  const commands = { continue: continueCommand(report, plan) };
  return json({ ok: true, interrupted: true, ...report, next, commands });
}

function continueCommand({ runs }: SimReport, plan: Plan): string {
  const { command, seed, settings } = plan;
  const order = settings.order === command.order ? '' : ` --order ${settings.order}`;
  const isSame = settings.pctDepth === command.pctDepth;
  const depth = isSame ? '' : ` --pct-depth ${settings.pctDepth}`;
  return `${command.text} --seed ${seed + runs} --runs ${plan.runs - runs}${order}${depth}`;
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function seedsText(seed: number, runs: number): string {
  if (runs === 1) return `1 run, seed ${seed}`;
  return `${runs} runs, seeds ${seed} to ${seed + runs - 1}`;
}

function faultsText(faults: Readonly<Record<string, number>>): string {
  const list = Object.entries(faults).map(([name, times]) => `${name} ${times}`);
  return list.length === 0 ? 'none' : list.join(', ');
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** A duration in the largest unit that is not longer than it. */
function timeText(ms: number): string {
  const units = [
    [86_400_000, 'days'],
    [3_600_000, 'hours'],
    [60_000, 'minutes'],
    [1000, 'seconds'],
  ] as const;
  const [unit, name] = units.find(([least]) => ms >= least) ?? [1, 'ms'];
  return `${Number((ms / unit).toFixed(3))} ${name}`;
}

function indent(line: string): string {
  return `  ${line}`;
}

const BAR_WIDTH = 24;
/** Short campaigns show no progress. */
const QUIET_MS = 1000;
const UPDATE_INTERVAL_MS = 200;

/** The progress of a long campaign, on standard error if it is a terminal. */

export class Progress {
  readonly #runs: number;
  readonly #begun: number = performance.now();
  readonly #isShown: boolean = process.stderr.isTTY === true;
  #shownAt: number = this.#begun + QUIET_MS - UPDATE_INTERVAL_MS;
  #isOnScreen = false;

  constructor(runs: number) {
    this.#runs = runs;
  }

  update(runs: number): void {
    const now = performance.now();
    if (!this.#isShown || now - this.#shownAt < UPDATE_INTERVAL_MS) return;
    this.#shownAt = now;
    this.#isOnScreen = true;
    process.stderr.write(`\r${progressLine(runs, this.#runs, now - this.#begun)}\x1b[K`);
  }

  /** Clears the line. */
  end(): void {
    if (this.#isOnScreen) process.stderr.write('\r\x1b[K');
    this.#isOnScreen = false;
  }
}

/** "[########----------------] 3400 of 10000 runs, 1700/s, 4 s left". */
export function progressLine(runs: number, of: number, tookMs: number): string {
  const full = Math.floor((runs / of) * BAR_WIDTH);
  const bar = `${'#'.repeat(full)}${'-'.repeat(BAR_WIDTH - full)}`;
  const perSecond = (runs * 1000) / Math.max(1, tookMs);
  const left = runs === 0 ? '' : `, ${Math.ceil((of - runs) / perSecond)} s left`;
  return `[${bar}] ${runs} of ${of} runs, ${Math.round(perSecond)}/s${left}`;
}
