/** The options of `coronet sim`, and the printed command that repeats a run with them. */

import type { OrderName } from '../../sim/choices/order.ts';
import { ORDERS } from '../../sim/choices/order.ts';
import type { ReplayCommand, SimOptions } from '../../sim/options.ts';
import { DEFAULT_COMMAND } from '../../sim/options.ts';
import { CommandUsageError } from '../errors.ts';
import type { OptionTable, OptionValues } from '../options.ts';

export const OPTIONS: OptionTable = {
  seed: { type: 'string' },
  runs: { type: 'string' },
  order: { type: 'string' },
  'pct-depth': { type: 'string' },
  replay: { type: 'string' },
  'check-determinism': { type: 'boolean' },
  'max-virtual-ms': { type: 'string' },
  'max-steps': { type: 'string' },
  'no-shrink': { type: 'boolean' },
  workers: { type: 'string' },
  report: { type: 'string' },
  trace: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
};

/** Options of `simulate` that the command line can set. */
export type Flags = Omit<SimOptions, 'link' | 'faults' | 'hooks' | 'debug'>;

/** Throws CommandUsageError for invalid values. */
export function flagsOf(values: OptionValues): Flags {
  const seed = readWhole(values, 'seed', 0);
  const flags: Record<keyof Flags, Flags[keyof Flags]> = {
    seed,
    // A seed without --runs means one run, whatever number the module requests.
    runs: readWhole(values, 'runs', 1) ?? (seed === undefined ? undefined : 1),
    order: readOrder(values['order']),
    pctDepth: readWhole(values, 'pct-depth', 1),
    maxVirtualMs: readDuration(values, 'max-virtual-ms'),
    maxSteps: readWhole(values, 'max-steps', 1),
    replay: readToken(values),
    checkDeterminism: values['check-determinism'] === true ? true : undefined,
    shrink: values['no-shrink'] === true ? false : undefined,
  };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

export function readWorkers(values: OptionValues): number | undefined {
  return readWhole(values, 'workers', 1, 1024);
}

function readWhole(
  values: OptionValues,
  name: string,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const number = /^\d{1,16}$/.test(String(text)) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  throw new CommandUsageError(`Expected --${name} to be a whole number ${range}, got '${text}'.`);
}

function readDuration(values: OptionValues, name: string): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  if (/^(?:\d{1,16}(?:\.\d+)?|Infinity)$/.test(String(text))) return Number(text);
  throw new CommandUsageError(
    `Expected --${name} to be a number of milliseconds, or Infinity, got '${text}'.`,
  );
}

function readOrder(text: string | boolean | undefined): OrderName | undefined {
  if (text === undefined) return undefined;
  const order = ORDERS.find((name) => name === text);
  if (order !== undefined) return order;
  throw new CommandUsageError(`Expected --order to be fifo, random or pct, got '${text}'.`);
}

function readToken(values: OptionValues): string | undefined {
  const token = values['replay'];
  if (token === undefined) return undefined;
  for (const name of ['seed', 'runs', 'order', 'pct-depth']) {
    if (values[name] === undefined) continue;
    throw new CommandUsageError(`--replay already selects the run: leave out --${name}.`);
  }
  return String(token);
}

/** The command for the same file and limits, without the options that select a run. */
export function commandOf(file: string, flags: Flags, options: SimOptions): ReplayCommand {
  const { maxVirtualMs, maxSteps, checkDeterminism } = flags;
  const words = ['coronet sim', shellQuoted(file)];
  if (maxVirtualMs !== undefined) words.push(`--max-virtual-ms ${maxVirtualMs}`);
  if (maxSteps !== undefined) words.push(`--max-steps ${maxSteps}`);
  if (checkDeterminism === true) words.push('--check-determinism');
  const { order = DEFAULT_COMMAND.order, pctDepth = DEFAULT_COMMAND.pctDepth } = options;
  return { text: words.join(' '), order, pctDepth };
}

/** Quotes a word for a shell, if necessary. */
function shellQuoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}
