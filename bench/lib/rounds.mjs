// Results of rounds: the rounds that count, their medians, and ratios within a round.

import { median, pairedRatio, spread } from './stats.mjs';
import { percent } from './table.mjs';

const present = (values) => values.filter((value) => value !== undefined);

/** One value of every round; `undefined` for a missing round. */
export const column = (rounds, name) => rounds.map((round) => round?.[name]);

export const mid = (rounds, name) => median(present(column(rounds, name)));

export const spreadOf = (rounds, name) => spread(present(column(rounds, name)));

/** The ratio of `entry` to `reference` within a round; NaN without a reference. */
export function ratioOf(entry, entries, reference, name) {
  const other = entries.find((one) => one.name === reference);
  return other ? pairedRatio(column(entry.rounds, name), column(other.rounds, name)) : Number.NaN;
}

// A round in which other processes used more than this share of a core is left out. Its result
// plays no part in that decision.
const DISTURBED = 0.2;
const disturbed = (round) => (round?.others ?? 0) + (round?.stolen ?? 0) > DISTURBED;

/** The rounds with disturbed ones set to `undefined`; all rounds, if most are disturbed. */
export function quiet(entry) {
  const rounds = entry.rounds.map((round) => (disturbed(round) ? undefined : round));
  const enough = rounds.filter(Boolean).length * 2 >= rounds.length;
  return enough ? { ...entry, rounds } : entry;
}

/** The line under a table about other processes on the machine; '' if unknown. */
export function neighbourLine(entries) {
  const rounds = entries.flatMap((entry) => entry.rounds).filter(Boolean);
  const others = present(column(rounds, 'others'));
  if (others.length === 0) return '';
  const stolen = percent(median(present(column(rounds, 'stolen'))));
  const worst = percent(Math.max(...others));
  const used = entries.flatMap((entry) => quiet(entry).rounds).filter(Boolean);
  const kept = used.filter(disturbed).length;
  const left = rounds.length - used.length;
  return [
    `other processes: ${percent(median(others))} of a core, at worst ${worst}`,
    `stolen: ${stolen}`,
    `disturbed rounds: ${left} left out, ${kept} kept, of ${rounds.length}`,
  ].join('; ');
}

export const failures = (rows) =>
  rows.filter((row) => row.failed).map((row) => `  failed: ${row.failed}`);

/** Two lines: the machine, and the cores of server and load. `plan` describes the rounds. */
export function printFacts({ node, kernel, cores, cpu, loadAverage }, place, plan) {
  const pins = place.pinned
    ? `server on core ${place.server}, load on core ${place.load}`
    : `NOT pinned (${place.why}): server and load compete for cores`;
  return [
    `Node ${node}, ${kernel}, ${cores} × ${cpu}, load average ${loadAverage.toFixed(2)}`,
    `${pins}; ${plan}, interleaved`,
  ].join('\n');
}
