/** The files of `coronet sim`: the story of a run (--report) and its trace (--trace). */
import { existsSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { CommandError, CommandUsageError } from '../errors.ts';
import type { OptionValues } from '../options.ts';
import type { FailureRecord, StoryRun } from './block-runner.ts';
import { replayCommands } from './output.ts';
import { traceOfRun } from './run-trace.ts';
import { storyPage } from './story/html.ts';
import type { Story } from './story/story.ts';

/** The paths that the command line names. */
export interface Files {
  readonly report: string | undefined;
  readonly trace: string | undefined;
}

/** Throws CommandUsageError unless the files can be created without loss of `scenarioFile`. */
export function filesOf(values: OptionValues, scenarioFile: string): Files {
  const pathOf = (name: string): string | undefined => readPath(values, name, scenarioFile);
  const files = { report: pathOf('report'), trace: pathOf('trace') };
  const { report, trace } = files;
  if (report !== undefined && trace !== undefined && resolve(report) === resolve(trace)) {
    throw new CommandUsageError('Expected --report and --trace to be two files.');
  }
  return files;
}

function readPath(values: OptionValues, name: string, scenarioFile: string): string | undefined {
  const path = values[name];
  if (path === undefined) return undefined;
  const text = String(path);
  const folder = dirname(resolve(text));
  if (text === '') throw new CommandUsageError(`Expected --${name} to be a file, got ''.`);
  if (!existsSync(folder)) {
    throw new CommandUsageError(`--${name}: the folder '${folder}' does not exist.`);
  }
  if (existsSync(text) && statSync(text).isDirectory()) {
    throw new CommandUsageError(`Expected --${name} to be a file, '${text}' is a folder.`);
  }
  if (isSameFile(text, scenarioFile)) {
    throw new CommandUsageError(`--${name} would overwrite the scenario '${scenarioFile}'.`);
  }
  return text;
}

function isSameFile(first: string, second: string): boolean {
  return existsSync(first) && existsSync(second) && realpathSync(first) === realpathSync(second);
}

/** The run that the files show. */
export interface FileContext {
  /** The file with the scenario. */
  readonly file: string;
  readonly seed: number;
  readonly order: string;
  /** The command without the options that select a run. */
  readonly command: string;
}

/** Writes the files, and returns a line for each. */
export function writeFiles(
  files: Files,
  run: StoryRun,
  failure: FailureRecord | null,
  context: FileContext,
): string[] {
  const lines: string[] = [];
  if (files.report !== undefined) {
    write(files.report, storyPage(storyOf(run, failure, context)));
    lines.push(`Story: ${files.report}`);
  }
  if (files.trace !== undefined) {
    write(files.trace, traceOfRun(run.recording));
    lines.push(`Trace: ${files.trace}, for https://ui.perfetto.dev`);
  }
  return lines;
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new CommandError(`'${path}' cannot be written: ${(error as Error).message}`);
  }
}

function storyOf(
  run: StoryRun,
  failure: FailureRecord | null,
  { file, seed, order, command }: FileContext,
): Story {
  const { failure: recorded, recording, virtualMs, steps, isReplay, traceHash } = run;
  const shrunk = failure?.shrunk ?? null;
  const expected = shrunk?.traceHash ?? failure?.traceHash ?? traceHash;
  return {
    file: basename(file),
    ...{ seed, order, virtualMs, steps, failure: recorded },
    choices: shrunk === null ? null : { left: shrunk.choices, of: shrunk.of },
    isReplay,
    commands: failure === null ? [`${command} --seed ${seed}`] : commandsOf(failure, command),
    note: expected === traceHash ? '' : OTHER_RUN,
    recording,
  };
}

function commandsOf(failure: FailureRecord, command: string): string[] {
  const { replay, seed } = replayCommands(failure, command);
  return [replay, seed].filter((each) => each !== null);
}

const OTHER_RUN =
  'The recorded run differs from the run that failed: the scenario uses something that the seed ' +
  'does not determine. `coronet sim --check-determinism` finds it.';
