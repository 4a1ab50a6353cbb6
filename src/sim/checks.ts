/** Checks of what simulations are told: links, faults, options. */
import { checkInteger, outOfRange, wrongType } from '../kernel/checks.ts';
import type { Faults, Link } from './core.ts';

const FAULTS: Readonly<Record<keyof Faults, true>> = {
  shortReads: true,
  shortWrites: true,
  spuriousWakeups: true,
  resets: true,
  emfile: true,
  slowAccept: true,
};

const LINK_FIELDS = new Set(['latencyMs', 'bandwidth', 'loss', 'reorder']);

/** Throws unless `value` is an object. */
export function checkObject(name: string, value: unknown): asserts value is object {
  if (typeof value !== 'object' || value === null) throw wrongType(name, 'an object', value);
}

/** Throws unless `value` is a probability. */
export function checkChance(name: string, value: unknown): void {
  if (typeof value !== 'number') throw wrongType(name, 'a number from 0 to 1', value);
  if (!(value >= 0 && value <= 1)) throw outOfRange(name, 'a number from 0 to 1', value);
}

export function checkFaults(name: string, faults: Faults): void {
  checkObject(name, faults);
  for (const [fault, chance] of Object.entries(faults)) {
    if (!Object.hasOwn(FAULTS, fault)) {
      throw outOfRange(name, `chances of ${Object.keys(FAULTS).join(', ')}`, fault);
    }
    if (chance !== undefined) checkChance(`${name}.${fault}`, chance);
  }
}

export function checkLink(name: string, link: Link): void {
  checkObject(name, link);
  for (const field of Object.keys(link)) {
    if (LINK_FIELDS.has(field)) continue;
    throw outOfRange(name, `made of ${[...LINK_FIELDS].join(', ')}`, field);
  }
  checkLatency(`${name}.latencyMs`, link.latencyMs);
  if (link.loss !== undefined) checkChance(`${name}.loss`, link.loss);
  if (link.reorder !== undefined) checkChance(`${name}.reorder`, link.reorder);
  const { bandwidth } = link;
  if (bandwidth === undefined) return;
  const expected = 'a number of bytes per second > 0';
  if (typeof bandwidth !== 'number') throw wrongType(`${name}.bandwidth`, expected, bandwidth);
  if (!(bandwidth > 0)) throw outOfRange(`${name}.bandwidth`, expected, bandwidth);
}

function checkLatency(name: string, latency: readonly [number, number]): void {
  const expected = 'two numbers of milliseconds, [least, most]';
  const isPair = Array.isArray(latency) && latency.length === 2;
  if (!isPair || latency.some((ms) => typeof ms !== 'number')) {
    throw wrongType(name, expected, latency);
  }
  const [least, most] = latency;
  if (!(least >= 0 && most >= least && most < Infinity)) throw outOfRange(name, expected, latency);
}

/** Throws unless `value` is one of `words`. */
export function checkWord(name: string, value: unknown, words: readonly string[]): void {
  if (typeof value === 'string' && words.includes(value)) return;
  const expected = `one of ${words.map((word) => `'${word}'`).join(', ')}`;
  throw typeof value === 'string'
    ? outOfRange(name, expected, value)
    : wrongType(name, expected, value);
}

/** Throws unless `seed` and the seeds of `runs` runs from there are whole numbers, exactly. */
export function checkSeeds(seed: number, runs: number): void {
  checkInteger('runs', runs, 1, Number.MAX_SAFE_INTEGER);
  checkInteger('seed', seed, 0, Number.MAX_SAFE_INTEGER - runs + 1);
}
