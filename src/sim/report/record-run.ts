/** Makes a run once more and records it. */
import type { Plan } from '../options.ts';
import { decodeReplay } from '../replay/token.ts';
import type { RealProcess } from '../run-once.ts';
import { runOnce } from '../run-once.ts';
import type { Scenario } from '../world.ts';
import { taskChain } from './failure.ts';
import { RunRecorder } from './recorder.ts';
import type { Recording } from './recording.ts';

/** A recorded run and its end. `error` is undefined if it succeeded. */
export interface RecordedRun {
  readonly recording: Recording;
  readonly virtualMs: number;
  readonly steps: number;
  readonly traceHash: string;
  readonly failure: RecordedFailure | null;
  /** True: only the choices of a replay token differ from their defaults. */
  readonly isReplay: boolean;
}

export interface RecordedFailure {
  readonly error: unknown;
  /** The host whose program failed; '' if it was not a program. */
  readonly host: string;
  /** The failed task and the tasks around it, innermost first. */
  readonly chain: readonly string[];
  /** One line for each unfinished task. */
  readonly tasks: readonly string[];
}

/** Records the run with that seed, or the run of a replay token. */
export async function recordRun(
  scenario: Scenario,
  { settings }: Plan,
  run: { readonly seed: number; readonly replay?: string | undefined },
  realProcess: RealProcess,
): Promise<RecordedRun> {
  const recorder = new RunRecorder();
  const { seed, replay } = run;
  const selected = replay === undefined ? { seed } : decodeReplay(replay);
  const hooks = recorder.hooks(settings.hooks);
  const recorded = { ...settings, ...selected, recorder, hooks };
  const { failure, virtualMs, steps, traceHash } = await runOnce(scenario, recorded, realProcess);
  return {
    recording: recorder.recording(),
    ...{ virtualMs, steps, traceHash },
    failure: failure === null ? null : { ...failure, chain: taskChain(failure.error) },
    isReplay: recorded.allowed !== null,
  };
}
