// Rounds to medians, medians to tables.

import { median, pairedRatio, spread } from '../lib/stats.mjs';
import { bytes, digits, grouped, percent, table } from '../lib/table.mjs';

const REFERENCES = { toC: 'c', toNode: 'node-net' };

const column = (rounds, name) => rounds.map((round) => round?.[name]);
const present = (values) => values.filter((value) => value !== undefined);
const mid = (rounds, name) => median(present(column(rounds, name)));

function ratioOf(entry, entries, reference, name) {
  const other = entries.find((one) => one.name === reference);
  return other ? pairedRatio(column(entry.rounds, name), column(other.rounds, name)) : Number.NaN;
}

// A round in which others used more than this share of a core measured them too. It is left out
// by that mark alone, never by its result.
const DISTURBED = 0.2;
const disturbed = (round) => (round?.others ?? 0) + (round?.stolen ?? 0) > DISTURBED;

/** The rounds with the disturbed ones blanked, so that pairs stay pairs; all, if most are. */
function quiet(entry) {
  const rounds = entry.rounds.map((round) => (disturbed(round) ? undefined : round));
  const enough = rounds.filter(Boolean).length * 2 >= rounds.length;
  return enough ? { ...entry, rounds } : entry;
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
    toC: ratioOf(entry, entries, REFERENCES.toC, 'total'),
    toNode: ratioOf(entry, entries, REFERENCES.toNode, 'total'),
  }));
}

function cellRow(row) {
  const figures = [grouped(row.rate), digits(row.user), digits(row.sys), digits(row.total)];
  return [
    row.name,
    ...figures,
    percent(row.spread),
    digits(row.toC),
    digits(row.toNode),
    percent(row.busy),
  ];
}

const CELL_HEADER = [
  'server',
  'msg/s',
  'user µs',
  'sys µs',
  'total µs',
  'spread',
  '× C',
  '× node:net',
  'busy',
];

const failures = (rows) => rows.filter((row) => row.failed).map((row) => `  failed: ${row.failed}`);

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

export function printCell(cell, entries, env) {
  const rows = summarizeCell(entries);
  const { connections, size } = cell;
  const pipelined = env.depth > 1 ? `, ${env.depth} outstanding on each` : '';
  const idle = env.background > 0 ? `, beside ${grouped(env.background)} idle` : '';
  const title =
    `${grouped(connections)} connection${connections === 1 ? '' : 's'} × ` +
    `${bytes(size)}${pipelined}${idle}`;
  const lines = [table(CELL_HEADER, rows.map(cellRow)), neighbourLine(entries), ...failures(rows)];
  return [title, ...lines.filter((line) => line !== '')].join('\n');
}

export function summarizeMemory(entries) {
  return entries.map((entry) => ({
    name: entry.name,
    failed: entry.failed,
    resident: mid(entry.rounds, 'resident'),
    heap: mid(entry.rounds, 'heap'),
    least: Math.min(...column(entry.rounds, 'resident')),
    most: Math.max(...column(entry.rounds, 'resident')),
  }));
}

function memoryRow({ name, resident, least, most, heap }) {
  return [name, grouped(resident), grouped(least), grouped(most), grouped(heap)];
}

export function printMemory(connections, entries) {
  const rows = summarizeMemory(entries);
  const header = ['server', 'resident B', 'least', 'most', 'JS heap B'];
  const title = `Memory per idle connection (${grouped(connections)} connections, one echo each)`;
  return [title, table(header, rows.map(memoryRow)), ...failures(rows)].join('\n');
}

export function printFacts(facts, place, env) {
  const pins = place.pinned
    ? `server on core ${place.server}, load on core ${place.load}`
    : `NOT pinned (${place.why}): server and load disturb each other`;
  const { starts, rounds, seconds } = env;
  return [
    `Node ${facts.node}, ${facts.kernel}, ${facts.cores} × ${facts.cpu}, ` +
      `load average ${digits(facts.loadAverage)}`,
    `${pins}; ${starts} × ${rounds} rounds of ${seconds} s, interleaved`,
  ].join('\n');
}

export const LEGEND = `user, sys, total: µs of the server's CPU per message, medians of the rounds.
× C, × node:net: the total's ratio, median over the rounds (below 1: cheaper than that server).
spread: the middle half of the rounds, as a share of the median. busy: the server's use of its core;
under about 95 % the rate is the load's or the latency's, not the server's: compare CPU only.`;
