/** Whether two runs with the same seed are the same run, and if not, where they part. */
import { CoronetError } from '../../kernel/errors.ts';
import { NotDeterministicError } from '../errors.ts';
import type { RunIdentity } from '../report/failure.ts';
import { failedRun, replayText } from '../report/failure.ts';
import type { RealProcess, RunResult, RunSettings } from '../run-once.ts';
import { runOnce } from '../run-once.ts';
import type { Scenario } from '../world.ts';

/** How often two recorded runs are compared, until they part. */
const MAX_COMPARISONS = 5;
/** Events before the difference that are shown. */
const CONTEXT_EVENTS = 5;

/** Runs the scenario again. Throws if that is not the run that `first` was. */
export async function compareRuns(
  first: RunResult,
  scenario: Scenario,
  settings: RunSettings,
  { outside, which }: { readonly outside: RealProcess; readonly which: RunIdentity },
): Promise<void> {
  const second = await runOnce(scenario, settings, outside);
  if (second.traceHash === first.traceHash) return;
  const used = new Set<string>();
  const forget = outside.watchRealSources((name) => used.add(name));
  let parting: Divergence | null = null;
  try {
    for (let i = 0; i < MAX_COMPARISONS && parting === null; i++) {
      parting = await findDivergence(scenario, settings, outside);
    }
  } finally {
    forget();
  }
  const run = failedRun(second, which);
  const lines = [
    `Two runs with seed ${which.seed} went different ways. ${guessCause(parting, used, second)}`,
    ...divergenceLines(parting),
    '',
    replayText(which),
  ];
  const message = lines.join('\n');
  const error = new CoronetError('ERR_NOT_DETERMINISTIC', lines[0] as string);
  throw new NotDeterministicError(message, { ...run, error });
}

/** The first event that differs. */
interface Divergence {
  readonly before: readonly string[];
  readonly left: string | undefined;
  readonly right: string | undefined;
}

async function findDivergence(
  scenario: Scenario,
  settings: RunSettings,
  outside: RealProcess,
): Promise<Divergence | null> {
  const recording = { ...settings, record: true };
  const left = (await runOnce(scenario, recording, outside)).recorded ?? [];
  const right = (await runOnce(scenario, recording, outside)).recorded ?? [];
  const most = Math.max(left.length, right.length);
  for (let i = 0; i < most; i++) {
    if (left[i] === right[i]) continue;
    return {
      before: left.slice(Math.max(0, i - CONTEXT_EVENTS), i),
      left: left[i],
      right: right[i],
    };
  }
  return null;
}

function divergenceLines(parting: Divergence | null): string[] {
  if (parting === null) return ['', 'Further runs did not differ, so the place is not known.'];
  const before = parting.before.map((line) => `    ${line}`);
  return [
    '',
    'The first event that differs:',
    ...before,
    `  - ${parting.left ?? '(the end of the run)'}`,
    `  + ${parting.right ?? '(the end of the run)'}`,
  ];
}

function guessCause(parting: Divergence | null, used: ReadonlySet<string>, run: RunResult): string {
  if (used.size > 0) return `Used inside: ${[...used].join(', ')}.`;
  if (!run.deterministic)
    return 'A task waited for the process: a promise, an emitter, a callback.';
  if (parting === null) return 'Perhaps something is kept from one run to the next.';
  if (sleepDuration(parting.left) !== sleepDuration(parting.right)) {
    return 'A duration differs: perhaps it comes from a real clock, or from what is kept.';
  }
  return (
    'Perhaps something is kept from one run to the next (a variable of a module), or comes from ' +
    'outside (the environment, a file).'
  );
}

/** How long a step has gone to sleep for, as far as it has. */
function sleepDuration(line: string | undefined): string | undefined {
  return /waits for sleep (\S+) ms/.exec(line ?? '')?.[1];
}
