// Tables of the medians.

import { column, failures, mid, printRows } from '../lib/rounds.mjs';
import { bytes, digits, grouped, table } from '../lib/table.mjs';

const UNITS = { server: 'server', rate: 'msg/s', cpu: 'µs' };

export function printCell({ connections, size }, entries, { depth, background }) {
  const title = [
    `${grouped(connections)} connection${connections === 1 ? '' : 's'} × ${bytes(size)}`,
    ...(depth > 1 ? [`${depth} outstanding each`] : []),
    ...(background > 0 ? [`with ${grouped(background)} idle`] : []),
  ];
  return printRows(title.join(', '), entries, UNITS, { rate: grouped, cpu: digits });
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
