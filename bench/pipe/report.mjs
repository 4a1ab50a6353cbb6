// Tables of the medians.

import { printRows } from '../lib/rounds.mjs';
import { digits } from '../lib/table.mjs';

const UNITS = { server: 'relay', rate: 'GB/s', cpu: 'ms' };

export function printCell({ pairs }, entries, { bytes }) {
  const each = digits(bytes / pairs / 1e6, bytes / pairs < 1e7 ? 1 : 0);
  const title = pairs === 1 ? `1 pair, ${each} MB` : `${pairs} pairs at once, ${each} MB each`;
  return printRows(title, entries, UNITS, { rate: digits, cpu: (ms) => digits(ms, 0) });
}

export const LEGEND = `user, sys, total: ms of the relay's CPU per GB (10⁹ bytes), medians.
× C, × node:net: the ratio of the totals, median of the rounds (below 1: cheaper than that relay).
spread: the middle half of the rounds, as a share of the median. busy: the relay's use of its core;
below about 95 % the load or the latency limits the rate: compare CPU only.`;
