/** `coronet explain CODE`: explains an error code. */

import { FLOW_ERRORS } from '../flow/error-codes.ts';
import { INTEROP_ERRORS } from '../interop/error-codes.ts';
import { KERNEL_ERRORS } from '../kernel/error-codes.ts';
import { NET_ERRORS } from '../net/error-codes.ts';
import { NODE_ERRORS } from '../node/error-codes.ts';
import { SERVER_ERRORS } from '../server/error-codes.ts';
import { SIM_ERRORS } from '../sim/error-codes.ts';
import { nearest } from '../support/checks.ts';
import type { Catalogue, CatalogueEntry } from '../support/error-catalogue.ts';
import { TOPICS_ERRORS } from '../topics/error-codes.ts';
import { WS_ERRORS } from '../ws/error-codes.ts';
import { CommandUsageError } from './errors.ts';
import { readArguments } from './options.ts';

const HELP = `Examples:
  coronet explain ERR_BUSY          explain one code
  coronet explain                   list all codes
  coronet explain ERR_BUSY --json   print the explanation as JSON
`;

export async function run(args: readonly string[]): Promise<void> {
  const { values, words } = readArguments(args, {
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  });
  const [typed, extra] = words;
  if (extra !== undefined)
    throw new CommandUsageError(`Expected one code, got a second one: '${extra}'.`);
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
  const rows = Object.entries(entries);
  return rows.map(([code, { sentence }]) => `${code.padEnd(24)}${sentence}`).join('\n');
}

function explain(code: string, entry: CatalogueEntry): string {
  return [
    `${code} (${entry.className})`,
    entry.sentence,
    '',
    `Likely cause: ${entry.cause}`,
    `Remedy:       ${entry.remedy}`,
    ...(entry.look === undefined
      ? []
      : [`Look at:      ${entry.look.text} (docs/${entry.look.section})`]),
  ].join('\n');
}

function unknownCode(typed: string): CommandUsageError {
  const code = typed.toUpperCase().replace(/[\s-]+/g, '_');
  const codes = Object.keys(catalogue);
  const guess = codes.find((each) => each === `ERR_${code}`) ?? nearest(code, codes);
  const hint =
    guess === undefined
      ? 'Codes of the operating system (ECONNRESET, …): docs/net.md, section "Errors", and ' +
        '`man errno`.'
      : `Did you mean ${guess}?`;
  return new CommandUsageError(`Coronet does not have a code '${typed}'. ${hint}`);
}

/** The error codes of all layers, sorted. */
export const catalogue: Catalogue = Object.fromEntries(
  Object.entries({
    ...KERNEL_ERRORS,
    ...FLOW_ERRORS,
    ...NET_ERRORS,
    ...NODE_ERRORS,
    ...INTEROP_ERRORS,
    ...SERVER_ERRORS,
    ...WS_ERRORS,
    ...TOPICS_ERRORS,
    ...SIM_ERRORS,
  }).sort(([a], [b]) => (a < b ? -1 : 1)),
);
