// Tables of the medians.

import { column, failures, mid, printBars, printRows } from '../lib/rounds.mjs';
import { bytes, digits, grouped, table } from '../lib/table.mjs';
import { barsOf, MEMORY_BAR } from './suites.mjs';

const UNITS = { server: 'server', rate: 'msg/s', cpu: 'µs' };

function titleOf(cell, background) {
  const { suite, connections, size, depth, short, tls, paced, protocol } = cell;
  const many = `${grouped(connections)} connection${connections === 1 ? '' : 's'}`;
  const fan = protocol?.endsWith('fanout');
  return [
    fan
      ? `${suite}: one message of ${bytes(size)} to ${many}`
      : `${suite}: ${many} × ${bytes(size)}`,
    ...(short ? [tls ? `connect, ${short} handshake, echo, reset` : 'connect, echo, reset'] : []),
    ...(paced && tls ? ['TLS'] : []),
    ...(depth > 1 ? [`${depth} outstanding each`] : []),
    ...(background > 0 ? [`with ${grouped(background)} idle`] : []),
  ].join(', ');
}

/** The latencies of an open loop. */
function printLatencies(title, entries) {
  const rows = entries.map(({ name, rounds }) => [
    name,
    grouped(mid(rounds, 'rate')),
    digits(mid(rounds, 'total')),
    ...['p50', 'p99', 'p999', 'worst'].map((quantile) => grouped(mid(rounds, quantile))),
  ]);
  const header = ['server', 'msg/s', 'total µs', 'p50 µs', 'p99 µs', 'p99.9 µs', 'worst µs'];
  return [title, table(header, rows), ...failures(entries)].join('\n');
}

export function printCell(cell, entries, { background }) {
  const title = titleOf(cell, background);
  if (cell.paced) return printLatencies(title, entries);
  const units = cell.short ? { ...UNITS, rate: 'conn/s' } : UNITS;
  return [
    printRows(title, entries, units, { rate: grouped, cpu: digits }),
    ...printBars(barsOf(cell), entries),
  ].join('\n');
}

export function summarizeMemory(entries) {
  return entries.map((entry) => ({
    name: entry.name,
    failed: entry.failed,
    resident: mid(entry.rounds, 'resident'),
    heap: mid(entry.rounds, 'heap'),
    young: mid(entry.rounds, 'young'),
    least: Math.min(...column(entry.rounds, 'resident')),
    most: Math.max(...column(entry.rounds, 'resident')),
  }));
}

function memoryRow({ name, resident, least, most, heap, young }) {
  return [name, ...[resident, least, most, heap, young].map(grouped)];
}

// With fewer connections the noise of the heap exceeds the slope.
const ENOUGH = 1000;

function memoryBar(connections, rows) {
  if (connections < ENOUGH) return [];
  const { server, bytes: limit } = MEMORY_BAR;
  const resident = rows.find((row) => row.name === server)?.resident;
  if (!Number.isFinite(resident)) return [];
  const met = resident <= limit ? 'MET' : 'MISSED';
  return [`bar: ${server} ≤ ${grouped(limit)} B: ${grouped(resident)}, ${met}`];
}

export function printMemory(connections, entries) {
  const rows = summarizeMemory(entries);
  const header = ['server', 'resident B', 'least', 'most', 'JS heap B', 'young B'];
  const title = `Memory per idle connection (${grouped(connections)} connections, one echo each)`;
  return [
    title,
    table(header, rows.map(memoryRow)),
    ...memoryBar(connections, rows),
    ...failures(rows),
  ].join('\n');
}

export const LEGEND = `user, sys, total: µs of the server's CPU per message, medians of the rounds.
× C, × node:net, …: the ratio of the totals, median of the rounds (below 1: cheaper than it).
spread: the middle half of the rounds, as a share of the median. busy: the server's use of its core;
below about 95 % the load or the latency limits the rate: compare CPU only.`;
