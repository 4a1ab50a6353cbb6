/** `coronet explain CODE`: an error code in words, offline. */
import type { Catalogue, CatalogueEntry } from '../kernel/catalogue.ts';
import { nearest } from '../kernel/nearest.ts';
import { catalogue } from './catalogue.ts';
import { UsageMistake } from './mistakes.ts';
import { readArguments } from './options.ts';

const HELP = `Examples:
  coronet explain ERR_BUSY          one code in words
  coronet explain                   all codes, a line each
  coronet explain ERR_BUSY --json   for programs
`;

export async function run(args: readonly string[]): Promise<void> {
  const { values, words } = readArguments(args, {
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  });
  const [typed, extra] = words;
  if (extra !== undefined) throw new UsageMistake(`Expected one code, got '${extra}' as well.`);
  if (values['help'] === true) process.stdout.write(HELP);
  else process.stdout.write(`${answer(typed, values['json'] === true)}\n`);
}

function answer(typed: string | undefined, json: boolean): string {
  if (typed === undefined) return json ? JSON.stringify(catalogue, null, 2) : list(catalogue);
  const code = typed.toUpperCase();
  const entry = Object.hasOwn(catalogue, code) ? catalogue[code] : undefined;
  if (entry === undefined) throw unknownCode(typed);
  return json ? JSON.stringify({ code, ...entry }, null, 2) : explain(code, entry);
}

function list(entries: Catalogue): string {
  const rows = Object.entries(entries).map(
    ([code, { sentence }]) => `${code.padEnd(24)}${sentence}`,
  );
  return rows.join('\n');
}

function explain(code: string, entry: CatalogueEntry): string {
  return [
    `${code} (${entry.className})`,
    entry.sentence,
    '',
    `Likely cause: ${entry.cause}`,
    `Way out:      ${entry.remedy}`,
  ].join('\n');
}

function unknownCode(typed: string): UsageMistake {
  const guess = nearest(typed.toUpperCase(), Object.keys(catalogue));
  const hint =
    guess === undefined
      ? 'Codes of the operating system (ECONNRESET, …) are explained in `man errno`.'
      : `Did you mean ${guess}?`;
  return new UsageMistake(`There is no code '${typed}' in Coronet. ${hint}`);
}
