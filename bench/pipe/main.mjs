// `npm run bench -- pipe`: a comparison of relays.

import { placement } from '../lib/machine.mjs';
import { documentCells, measureCells, out, printer, runMain } from '../lib/main.mjs';
import { chooseLoad } from '../lib/programs.mjs';
import { measureCell } from './bench.mjs';
import { HELP, readOptions } from './options.mjs';
import { chooseRelays } from './programs.mjs';
import { LEGEND, printCell } from './report.mjs';

async function measure(options) {
  const programs = { ...chooseRelays(options), load: chooseLoad('bulk', options) };
  const env = { ...options, place: placement() };
  const plan =
    `${env.starts} × ${env.rounds} rounds of ${env.bytes / 1e9} GB, ` +
    `${env.window / 1024} KB of each pair in flight`;
  const { machine, notes, cells } = await measureCells(
    { env, plan },
    { programsOf: () => programs, measureCell, printCell },
  );
  printer(env)(LEGEND);
  if (!env.json) return;
  const { place, bytes, window, starts, rounds } = env;
  const load = { bytes, window, starts, rounds };
  out(JSON.stringify({ machine, place, load, notes, cells: documentCells(cells) }, null, 2));
}

export const main = (args) => runMain({ help: HELP, readOptions }, args, measure);
