// Medians of the rounds, tables of the medians, and the bars.

import { describeMachine } from '../lib/rounds.mjs';
import { median, pairedRatio, spread } from '../lib/stats.mjs';
import { digits, grouped, percent, table } from '../lib/table.mjs';

const OURS = 'coronet';
const NS = [{ name: '', unit: 'ns', of: ({ ns }) => ns }];

const figure = (value) => (value < 100 ? digits(value, 1) : grouped(value));
const factor = (value) => digits(value, value < 1 ? 2 : 1);
const valuesOf = (entry, of) => entry?.rounds.map((round) => round && of(round)) ?? [];
const present = (values) => values.filter((value) => value !== undefined);

/** [{ name, unit, candidates: [{ name, values, median, least, spread, times }] }] of one case. */
export function summarizeCase(one, entries) {
  return (one.rows ?? NS).map(({ name, unit, of }) => {
    const ours = valuesOf(
      entries.find((entry) => entry.name === OURS),
      of,
    );
    const candidates = entries.map((entry) => {
      const all = valuesOf(entry, of);
      const values = present(all);
      return {
        name: entry.name,
        values,
        median: median(values),
        least: Math.min(...values),
        spread: spread(values),
        times: pairedRatio(all, ours),
      };
    });
    return { name: name ? `${one.name}: ${name}, ${unit}` : one.name, unit, candidates };
  });
}

/** [{ text, value, unit, met }]: the bars that were measured. */
export function judge(one, entries) {
  const [row] = summarizeCase(one, entries);
  const of = (name) => row.candidates.find((contestant) => contestant.name === name);
  const ours = entries.find((entry) => entry.name === OURS);
  const bars = (one.bars ?? []).map(({ name, unit, over, atMost, atLeast, of: get }) => {
    if (over) {
      const value = of(over)?.times;
      const text = `${name}: ≥ ${atLeast} × cheaper than ${over}`;
      return { text, value, unit: '×', met: value >= atLeast };
    }
    const value = get ? median(present(valuesOf(ours, get))) : of(OURS)?.median;
    return { text: `${name}: ≤ ${grouped(atMost)} ${unit}`, value, unit, met: value <= atMost };
  });
  return bars.filter(({ value }) => Number.isFinite(value));
}

const HEADER = ['least', 'spread'];

/** One row per value: Coronet, the peers, then the ratios of the peers to Coronet. */
export function printSuite(title, rows, names) {
  const peers = names.filter((name) => name !== OURS);
  const header = [...[OURS, ...HEADER].filter(() => names.includes(OURS)), ...peers];
  const ratios = names.includes(OURS) ? peers.map((name) => `× ${name}`) : [];
  const line = ({ name, candidates }) => {
    const by = new Map(candidates.map((contestant) => [contestant.name, contestant]));
    const ours = by.get(OURS);
    return [
      name,
      ...(ours ? [figure(ours.median), figure(ours.least), percent(ours.spread)] : []),
      ...peers.map((peer) => figure(by.get(peer)?.median)),
      ...ratios.map((_, i) => factor(by.get(peers[i])?.times)),
    ];
  };
  return `${title}\n${table(['case', ...header, ...ratios], rows.map(line))}`;
}

export function printBars(bars) {
  return bars
    .map(({ text, value, unit, met }) => {
      return `  bar: ${text}: ${figure(value)} ${unit}, ${met ? 'met' : 'MISSED'}`;
    })
    .join('\n');
}

export const printFacts = (machine, { starts, rounds, ms }) =>
  `${describeMachine(machine)}\n` +
  `${starts} × ${rounds} rounds of ${ms} ms, interleaved; one process for each runtime and case`;

export const LEGEND = `Medians of the rounds. least: the best round; spread: the middle half of \
them, as a share of the median;
both of coronet (of all: --json). × name: the ratio to coronet, median of the rounds; below 1
coronet takes more. ns are CPU time of the process, including collections; µs of cases that run
once are wall time. Description of the cases: bench/README.md`;
