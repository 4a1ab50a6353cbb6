/** Compares two runs with the same seed and locates the first event that differs. */
import { CoronetError } from '../../kernel/errors.ts';
import { NotDeterministicError } from '../errors.ts';
import type { RunIdentity } from '../report/failure.ts';
import { failedRun, replayText } from '../report/failure.ts';
import type { RealProcess, RunResult, RunSettings } from '../run-once.ts';
import { runOnce } from '../run-once.ts';
import type { Scenario } from '../world.ts';

/** The maximum number of pairs of recorded runs that are compared to find a difference. */
const MAX_COMPARISONS = 5;
/** Events before the difference that the message shows. */
const CONTEXT_EVENTS = 5;

/** Runs the scenario again. Throws NotDeterministicError if the run differs from `first`. */
export async function compareRuns(
  first: RunResult,
  scenario: Scenario,
  settings: RunSettings,
  { realProcess, identity }: { readonly realProcess: RealProcess; readonly identity: RunIdentity },
): Promise<void> {
  const second = await runOnce(scenario, settings, realProcess);
  if (second.traceHash === first.traceHash) return;
  const used = new Set<string>();
  const stopWatching = realProcess.watchRealSources((name) => used.add(name));
  let divergence: Divergence | null = null;
  try {
    for (let i = 0; i < MAX_COMPARISONS && divergence === null; i++) {
      divergence = await findDivergence(scenario, settings, realProcess);
    }
  } finally {
    stopWatching();
  }
  const cause = guessCause(divergence, used, second);
  const head = `Two runs with seed ${identity.seed} differ. ${cause}`;
  const lines = [head, '', ...divergenceLines(divergence), '', replayText(identity)];
  const error = new CoronetError('ERR_NOT_DETERMINISTIC', head);
  throw new NotDeterministicError(lines.join('\n'), { ...failedRun(second, identity), error });
}

/** The first event that differs, and the common events before it. */
interface Divergence {
  readonly before: readonly string[];
  readonly left: string | undefined;
  readonly right: string | undefined;
}

async function findDivergence(
  scenario: Scenario,
  settings: RunSettings,
  realProcess: RealProcess,
): Promise<Divergence | null> {
  const recording = { ...settings, record: true };
  const left = (await runOnce(scenario, recording, realProcess)).recorded ?? [];
  const right = (await runOnce(scenario, recording, realProcess)).recorded ?? [];
  const longest = left.length > right.length ? left : right;
  const at = longest.findIndex((_, index) => left[index] !== right[index]);
  if (at < 0) return null;
  const before = left.slice(Math.max(0, at - CONTEXT_EVENTS), at);
  return { before, left: left[at], right: right[at] };
}

function divergenceLines(divergence: Divergence | null): string[] {
  if (divergence === null)
    return ['Further runs did not differ, so the first difference is unknown.'];
  return [
    'The first event that differs:',
    ...divergence.before.map((line) => `    ${line}`),
    `  - ${divergence.left ?? '(the end of the run)'}`,
    `  + ${divergence.right ?? '(the end of the run)'}`,
  ];
}

function guessCause(
  divergence: Divergence | null,
  used: ReadonlySet<string>,
  run: RunResult,
): string {
  if (used.size > 0) return `The simulation used ${[...used].join(', ')}.`;
  if (!run.deterministic) {
    return 'A task waited for the real process: a promise, an emitter, or a callback.';
  }
  if (divergence === null) return 'State may survive from one run to the next.';
  if (sleepDuration(divergence.left) !== sleepDuration(divergence.right)) {
    return 'A duration differs: it may depend on a real clock, or on state of an earlier run.';
  }
  return (
    'State may survive from one run to the next (a variable of a module), or a value may come ' +
    'from outside the simulation (the environment, a file).'
  );
}

/** The duration of the sleep that a step ends with, if there is one. */
function sleepDuration(line: string | undefined): string | undefined {
  return /waits for sleep (\S+) ms/.exec(line ?? '')?.[1];
}
