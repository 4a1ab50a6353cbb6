/** Loads the module of `coronet sim` and checks its default export. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { SimOptions } from '../../sim/options.ts';
import type { Scenario } from '../../sim/world.ts';
import { nearest, show } from '../../support/checks.ts';
import { CommandUsageError } from '../errors.ts';

export interface ScenarioModule {
  readonly scenario: Scenario;
  readonly options: SimOptions;
}

/** The maximum number of lines of an error that are shown. */
const MAX_LINES = 20;

/** Throws CommandUsageError for every problem with the module. */
export async function loadScenario(file: string): Promise<ScenarioModule> {
  const path = resolve(file);
  checkFile(file, path);
  checkCopy(file, path);
  let loaded: { readonly default?: unknown };
  try {
    loaded = (await import(pathToFileURL(path).href)) as { default?: unknown };
  } catch (error) {
    throw new CommandUsageError(loadErrorText(error, file, path));
  }
  return scenarioOf(loaded, file);
}

function checkFile(file: string, path: string): void {
  if (!existsSync(path)) {
    const folder = dirname(path);
    const names = existsSync(folder) ? readdirSync(folder) : [];
    const guess = nearest(basename(path), names);
    const hint = guess === undefined ? '' : ` Did you mean ${guess}?`;
    throw new CommandUsageError(`File '${file}' does not exist.${hint}`);
  }
  if (!statSync(path).isFile()) throw new CommandUsageError(`'${file}' is not a file.`);
}

/** The scenario and the command must use the same Coronet: they share tasks and schedulers. */
function checkCopy(file: string, path: string): void {
  const theirs = coronetLocation(path);
  const own = coronetLocation(import.meta.url);
  if (theirs === undefined || own === undefined || theirs === own) return;
  throw new CommandUsageError(
    `'${file}' imports the Coronet at ${theirs}, but this command belongs to ${own}. ` +
      'Use the command of the former: npx coronet sim …',
  );
}

/** The file that `import 'coronet/sim'` in the module resolves to; undefined if it does not. */
function coronetLocation(module: string): string | undefined {
  try {
    return realpathSync(createRequire(module).resolve('coronet/sim'));
  } catch {
    // The module may import Coronet by a path.
    return undefined;
  }
}

function loadErrorText(error: unknown, file: string, path: string): string {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  const isTypeScript = /^\.[cm]?ts$/.test(extname(path));
  if (String(code).endsWith('UNKNOWN_FILE_EXTENSION') && isTypeScript) {
    return (
      `This Node (${process.versions.node}) does not run TypeScript, so '${file}' cannot be ` +
      'loaded. Use Node 22.18 or newer, or compile it first.'
    );
  }
  if (error instanceof SyntaxError) {
    const where = syntaxErrorLocation(path) ?? clip(error.stack ?? '');
    return `'${file}' could not be loaded.\n${where}`;
  }
  const text = (error instanceof Error && error.stack) || show(error);
  return `'${file}' failed to load.\n${clip(text)}`;
}

/**
 * The text that Node prints for a syntax error that is not caught, which names the line. The error
 * object does not. The module is imported in a child process; none of its code runs.
 */
function syntaxErrorLocation(path: string): string | undefined {
  const load = `await import(${JSON.stringify(pathToFileURL(path).href)})`;
  const args = [...process.execArgv, '--input-type=module', '--eval', load];
  const { stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 10_000 });
  const lines = (stderr ?? '').split('\n');
  const end = lines.findIndex((line) => line.startsWith('    at '));
  const text = lines.slice(0, end === -1 ? MAX_LINES : end).join('\n');
  return text.includes('SyntaxError') ? text.trim() : undefined;
}

/** Removes the frames of Node's module loader. */
function clip(text: string): string {
  const lines = text.split('\n').filter((line) => !/^ {4}at .*\(node:internal\//.test(line));
  return lines.slice(0, MAX_LINES).join('\n');
}

function scenarioOf(loaded: { readonly default?: unknown }, file: string): ScenarioModule {
  const { default: found } = loaded;
  if (typeof found === 'function') return { scenario: found as Scenario, options: {} };
  if (found === undefined) {
    const names = Object.keys(loaded);
    const has = names.length === 0 ? 'exports nothing' : `exports ${names.join(', ')}`;
    throw new CommandUsageError(`'${file}' has no default export: it ${has}.\n${USAGE}`);
  }
  if (typeof found !== 'object' || found === null) throw wrongExport(file, show(found));
  const { scenario, options = {} } = found as { scenario?: unknown; options?: unknown };
  if (typeof scenario !== 'function') throw wrongExport(file, `{ scenario: ${show(scenario)} }`);
  for (const name of Object.keys(found)) {
    if (name === 'scenario' || name === 'options') continue;
    const expected = 'Expected the default export to have scenario and options';
    throw new CommandUsageError(`${expected}, '${file}' also has '${name}'.`);
  }
  if (typeof options !== 'object' || options === null) {
    throw wrongExport(file, `{ scenario, options: ${show(options)} }`);
  }
  return { scenario: scenario as Scenario, options };
}

const USAGE = [
  'Right: export default function* (world) { … }',
  '   or: export default { scenario: function* (world) { … }, options: { runs: 100 } };',
].join('\n');

function wrongExport(file: string, got: string): CommandUsageError {
  const expected = `Expected the default export of '${file}' to be a scenario`;
  return new CommandUsageError(`${expected}, got ${got}.\n${USAGE}`);
}
