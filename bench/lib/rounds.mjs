// Results of rounds: the rounds that count, their medians, and ratios within a round.

import { median, pairedRatio, spread } from './stats.mjs';
import { digits, percent, table } from './table.mjs';

/** The servers that others are compared with, and the titles of the ratios. */
const REFERENCES = { c: '× C', 'node-net': '× node:net', ws: '× ws', bun: '× Bun', go: '× Go' };

const present = (values) => values.filter((value) => value !== undefined);

/** One value of every round; `undefined` for a missing round. */
export const column = (rounds, name) => rounds.map((round) => round?.[name]);

export const mid = (rounds, name) => median(present(column(rounds, name)));

/** The ratio of `entry` to `reference` within a round; NaN without a reference. */
function ratioOf(entry, entries, reference) {
  const other = entries.find((one) => (one.kind ?? one.name) === reference);
  if (!other) return Number.NaN;
  return pairedRatio(column(entry.rounds, 'total'), column(other.rounds, 'total'));
}

// A round in which other processes used more than this share of a core is left out. Its result
// plays no part in that decision.
const DISTURBED = 0.2;
const disturbed = (round) => (round?.others ?? 0) + (round?.stolen ?? 0) > DISTURBED;

/** The rounds with disturbed ones set to `undefined`; all rounds, if most are disturbed. */
function quiet(entry) {
  const rounds = entry.rounds.map((round) => (disturbed(round) ? undefined : round));
  const enough = rounds.filter(Boolean).length * 2 >= rounds.length;
  return enough ? { ...entry, rounds } : entry;
}

/** The line under a table about other processes on the machine; '' if unknown. */
function neighbourLine(entries) {
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

/** One line about the machine. */
export const describeMachine = ({ node, kernel, cores, cpu, loadAverage }) =>
  `Node ${node}, ${kernel}, ${cores} × ${cpu}, load average ${loadAverage.toFixed(2)}`;

/** Two lines: the machine, and the cores of server and load. `plan` describes the rounds. */
export function printFacts(machine, place, plan) {
  const pins = place.pinned
    ? `server on core ${place.server}, load on core ${place.load}`
    : `NOT pinned (${place.why}): server and load compete for cores`;
  return `${describeMachine(machine)}\n${pins}; ${plan}, interleaved`;
}

/** The medians of one cell; ratios are medians of ratios within a round. */
export function summarizeCell(measured) {
  const entries = measured.map(quiet);
  return entries.map((entry) => ({
    name: entry.name,
    failed: entry.failed,
    rate: mid(entry.rounds, 'rate'),
    user: mid(entry.rounds, 'user'),
    sys: mid(entry.rounds, 'sys'),
    total: mid(entry.rounds, 'total'),
    busy: mid(entry.rounds, 'busy'),
    spread: spread(present(column(entry.rounds, 'total'))),
    ratios: Object.fromEntries(
      Object.keys(REFERENCES).map((name) => [name, ratioOf(entry, entries, name)]),
    ),
  }));
}

/** The lines about the bars of a cell, [server, limit, reference], that its entries decide. */
export function printBars(bars, measured) {
  const entries = measured.map(quiet);
  return bars.flatMap(([name, limit, reference]) => {
    const entry = entries.find((one) => one.name === name);
    const ratio = entry ? ratioOf(entry, entries, reference) : Number.NaN;
    if (Number.isNaN(ratio)) return [];
    const met = limit === 1 ? ratio < 1 : ratio <= limit;
    const rule = limit === 1 ? `below ${reference}` : `≤ ${digits(limit)} × ${reference}`;
    return [`bar: ${name} ${rule}: ${digits(ratio)}, ${met ? 'MET' : 'MISSED'}`];
  });
}

/** The table of one cell. `format` has the functions that print a rate and a CPU time. */
export function printRows(title, entries, { server, rate, cpu }, format) {
  const times = ['user', 'sys', 'total'];
  const header = [server, rate, ...times.map((name) => `${name} ${cpu}`)];
  const rows = summarizeCell(entries);
  const kinds = entries.map((entry) => entry.kind ?? entry.name);
  const references = Object.keys(REFERENCES).filter((name) => kinds.includes(name));
  const titles = references.map((name) => REFERENCES[name]);
  const cells = rows.map((row) => [
    row.name,
    format.rate(row.rate),
    ...times.map((name) => format.cpu(row[name])),
    percent(row.spread),
    ...references.map((name) => digits(row.ratios[name])),
    percent(row.busy),
  ]);
  return [
    title,
    table([...header, 'spread', ...titles, 'busy'], cells),
    ...[neighbourLine(entries), ...failures(rows)].filter((line) => line !== ''),
  ].join('\n');
}
