// Medians of the rounds, and tables of the medians.

import { failures, mid, neighbourLine, quiet, ratioOf, spreadOf } from '../lib/rounds.mjs';
import { digits, percent, table } from '../lib/table.mjs';

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
    spread: spreadOf(entry.rounds, 'total'),
    toC: ratioOf(entry, entries, 'c', 'total'),
    toNode: ratioOf(entry, entries, 'node-net', 'total'),
  }));
}

const HEADER = [
  'relay',
  'GB/s',
  'user ms',
  'sys ms',
  'total ms',
  'spread',
  '× C',
  '× node:net',
  'busy',
];

function cellRow(row) {
  return [
    row.name,
    digits(row.rate),
    digits(row.user, 0),
    digits(row.sys, 0),
    digits(row.total, 0),
    percent(row.spread),
    digits(row.toC),
    digits(row.toNode),
    percent(row.busy),
  ];
}

export function printCell({ pairs }, entries, { bytes }) {
  const rows = summarizeCell(entries);
  const each = digits(bytes / pairs / 1e6, bytes / pairs < 1e7 ? 1 : 0);
  const title = pairs === 1 ? `1 pair, ${each} MB` : `${pairs} pairs at once, ${each} MB each`;
  const lines = [table(HEADER, rows.map(cellRow)), neighbourLine(entries), ...failures(rows)];
  return [title, ...lines.filter((line) => line !== '')].join('\n');
}

export const LEGEND = `user, sys, total: ms of the relay's CPU per GB (10⁹ bytes), medians.
× C, × node:net: the ratio of the totals, median of the rounds (below 1: cheaper than that relay).
spread: the middle half of the rounds, as a share of the median. busy: the relay's use of its core;
below about 95 % the load or the latency limits the rate: compare CPU only.`;
