/** The contents of a story, which the page in page/ draws. */
import type { Recording } from '../../../sim/report/recording.ts';

/** A recorded run, and what is known about it, as JSON. */
export interface Story {
  /** The name of the file with the scenario. */
  readonly file: string;
  readonly seed: number;
  readonly order: string;
  readonly virtualMs: number;
  readonly steps: number;
  /** Null if the run succeeded. */
  readonly failure: StoryFailure | null;
  /** The choices that the failure needs, and those of the original run; null: not shrunk. */
  readonly choices: { readonly left: number; readonly of: number } | null;
  /** True: only the choices that the failure needs differ from their defaults. */
  readonly isReplay: boolean;
  /** Commands that repeat the run; the first one repeats exactly this run. */
  readonly commands: readonly string[];
  /** A doubt about the record: the run was not deterministic. */
  readonly note: string;
  readonly recording: Recording;
}

export interface StoryFailure {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** '' if it was not a program that failed. */
  readonly host: string;
  /** The failed task and the tasks around it, innermost first. */
  readonly chain: readonly string[];
  /** One line for each unfinished task. */
  readonly tasks: readonly string[];
}
