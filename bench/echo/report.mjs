// Medians of the rounds, and tables of the medians.

import { column, failures, mid, neighbourLine, quiet, ratioOf, spreadOf } from '../lib/rounds.mjs';
import { bytes, digits, grouped, percent, table } from '../lib/table.mjs';

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

function cellRow(row) {
  const values = [grouped(row.rate), digits(row.user), digits(row.sys), digits(row.total)];
  return [
    row.name,
    ...values,
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

export function printCell(cell, entries, env) {
  const rows = summarizeCell(entries);
  const { connections, size } = cell;
  const pipelined = env.depth > 1 ? `, ${env.depth} outstanding each` : '';
  const idle = env.background > 0 ? `, with ${grouped(env.background)} idle` : '';
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

export const LEGEND = `user, sys, total: µs of the server's CPU per message, medians of the rounds.
× C, × node:net: the ratio of the totals, median of the rounds (below 1: cheaper than that server).
spread: the middle half of the rounds, as a share of the median. busy: the server's use of its core;
below about 95 % the load or the latency limits the rate: compare CPU only.`;
