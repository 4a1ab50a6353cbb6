/** Parses the options of a subcommand. */
import type { ParseArgsConfig } from 'node:util';
import { parseArgs } from 'node:util';
import { parseAddress } from '../net/address.ts';
import { nearest } from '../support/checks.ts';
import { CommandUsageError } from './errors.ts';

export type OptionTable = NonNullable<ParseArgsConfig['options']>;
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

/** Parses `args`. Throws CommandUsageError for options that are not in `table`, and for words. */
export function readOptions(args: readonly string[], table: OptionTable): OptionValues {
  return readArguments(args, table, false).values;
}

/** As readOptions, and accepts words in addition to options. */
export function readArguments(
  args: readonly string[],
  table: OptionTable,
  allowPositionals = true,
): { readonly values: OptionValues; readonly words: readonly string[] } {
  try {
    const parsed = parseArgs({ args: [...args], options: table, strict: true, allowPositionals });
    return { values: parsed.values as OptionValues, words: parsed.positionals };
  } catch (error) {
    throw new CommandUsageError(`${explain(error as Error, table)} See --help.`);
  }
}

/** The first sentence of parseArgs, and a suggestion for a mistyped option. */
function explain(error: Error, table: OptionTable): string {
  const sentence = (error.message.split(/\. |\n/, 1)[0] as string).replace(/\.?$/, '.');
  const typed = /Unknown option '--([^']+)'/.exec(error.message)?.[1];
  const guess = typed === undefined ? undefined : nearest(typed, Object.keys(table));
  return guess === undefined ? sentence : `${sentence} Did you mean --${guess}?`;
}

/** A port from 0 to 65535. */
export function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65535) return port;
  throw wrongValue('port', 'a whole number from 0 to 65535', text);
}

/** A host name or IP address. Only `listen` checks whether this machine has it. */
export function readHost(text: string): string {
  if (isHost(text)) return text;
  throw wrongValue('host', 'a name or an IP address (::1 without brackets)', text);
}

/** An empty text, as from a variable that is not set, must not mean all interfaces. */
function isHost(text: string): boolean {
  try {
    parseAddress({ host: text, port: 0 });
    return text !== '';
  } catch {
    return false;
  }
}

/** A duration in milliseconds: a whole number. */
export function readMs(name: string, text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw wrongValue(name, 'a whole number of milliseconds', text);
}

/** A number of processes, or 'auto'. */
export function readWorkers(text: string): number | 'auto' {
  if (text === 'auto') return text;
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= 1024) return count;
  throw wrongValue('workers', 'auto or a whole number from 1 to 1024', text);
}

/** The error for a value of an option. */
export function wrongValue(name: string, expected: string, got: string): CommandUsageError {
  return new CommandUsageError(`Expected --${name} to be ${expected}, got '${got}'.`);
}
