/** What `simulate` can be told, and how it is checked and completed. */

import type { Hooks } from '../kernel/hooks.ts';
import { checkDuration, checkInteger, outOfRange, wrongType } from '../support/checks.ts';
import type { OrderName } from './choices/order.ts';
import { DEFAULT_ORDER, ORDERS } from './choices/order.ts';
import type { Faults, Link, MakeNetworkModel } from './core.ts';
import type { Replay } from './replay/token.ts';
import { decodeReplay } from './replay/token.ts';
import type { RunSettings } from './run-once.ts';

/** What `simulate` can be told. */
export interface SimOptions {
  /** The seed of the first run; a whole number. The i-th run after it has seed + i. Default 1. */
  readonly seed?: number;
  /** How many runs. Default 1. The first one that fails is the last. */
  readonly runs?: number;
  /** Which of the ready tasks is next. Default 'random'. */
  readonly order?: OrderName;
  /** Of 'pct': the number of events whose order makes the bug. Default 3. */
  readonly pctDepth?: number;
  /** How messages travel between hosts, unless `world.link` says else. Default: 1 to 10 ms. */
  readonly link?: Link;
  /** Chances of hostile, but legal behaviour. Default: none. */
  readonly faults?: Faults;
  /** Virtual milliseconds after which a run fails. Default one hour; Infinity: never. */
  readonly maxVirtualMs?: number;
  /** Steps of tasks and events of the network after which a run fails. Default 1 000 000. */
  readonly maxSteps?: number;
  /** Does each run twice and fails if they are not the same. Default false. */
  readonly checkDeterminism?: boolean;
  /**
   * Whether a failed run is run again with fewer and fewer choices, until only those are left that
   * the failure needs. At most `maxTries` times (default 200), and for `maxMs` real milliseconds
   * (default 2000). Default true.
   */
  readonly shrink?: boolean | ShrinkOptions;
  /**
   * A token (`SimulationError.replay`): that one run is made. `seed`, `runs`, `order` and
   * `pctDepth` come from the token, all other options have to be those of the run that failed.
   */
  readonly replay?: string;
  /** Hooks of every host's scheduler. With `onUnhandled`, unhandled errors fail no run. */
  readonly hooks?: Hooks;
  /** Debug mode; default: whether the environment variable CORONET_DEBUG is '1'. */
  readonly debug?: boolean;
}

/** How long a failed run is shrunk. */
export interface ShrinkOptions {
  readonly maxTries?: number;
  readonly maxMs?: number;
}

export const DEFAULT_LINK: Link = { latencyMs: [1, 10] };

/** The options, checked and complete. */
export interface Plan {
  readonly seed: number;
  readonly runs: number;
  readonly checkDeterminism: boolean;
  /** How long a failed run is shrunk; null: it is not. */
  readonly shrinkLimits: Required<ShrinkOptions> | null;
  readonly settings: RunSettings;
  readonly command: ReplayCommand;
}

/** The command that plays a run again, and the order that it takes when it is told none. */
export interface ReplayCommand {
  readonly text: string;
  readonly order: OrderName;
  readonly pctDepth: number;
}

const DEFAULT_PCT_DEPTH = 3;

export const DEFAULT_COMMAND: ReplayCommand = {
  text: 'coronet sim FILE',
  order: DEFAULT_ORDER,
  pctDepth: DEFAULT_PCT_DEPTH,
};

/** Throws TypeError or RangeError for wrong options, ReplayTokenError for a wrong token. */
export function planOf(options: SimOptions, makeNetwork: MakeNetworkModel, debug: boolean): Plan {
  checkObject('options', options);
  const { checkDeterminism = false, hooks } = options;
  const { maxVirtualMs = 3_600_000, maxSteps = 1_000_000 } = options;
  const { link = DEFAULT_LINK, faults = {} } = options;
  const { runs, ...which } = selectRuns(options);
  checkLink('link', link);
  checkFaults('faults', faults);
  checkDuration('maxVirtualMs', maxVirtualMs);
  checkInteger('maxSteps', maxSteps, 1, Number.MAX_SAFE_INTEGER);
  checkBoolean('checkDeterminism', checkDeterminism);
  if (options.debug !== undefined) checkBoolean('debug', options.debug);
  // What a token lists is shrunk already.
  const limitsOfShrink = shrinkLimitsOf(options.shrink);
  const shrink = which.allowed === null ? limitsOfShrink : null;
  const limits = { maxVirtualMs, maxSteps };
  const watching = { hooks, debug: options.debug ?? debug, deviations: null, record: false };
  const settings = { ...which, link, faults, makeNetwork, ...limits, ...watching };
  const { seed } = which;
  return { seed, runs, checkDeterminism, shrinkLimits: shrink, settings, command: DEFAULT_COMMAND };
}

function selectRuns(options: SimOptions): Replay & { readonly runs: number } {
  const { seed = 1, runs = 1, order = DEFAULT_ORDER, pctDepth = DEFAULT_PCT_DEPTH } = options;
  checkSeeds(seed, runs);
  checkOneOf('order', order, ORDERS);
  checkInteger('pctDepth', pctDepth, 1, 100);
  if (options.replay !== undefined) return { ...decodeReplay(options.replay), runs: 1 };
  return { seed, runs, order, pctDepth, allowed: null };
}

function shrinkLimitsOf(shrink: boolean | ShrinkOptions = true): Required<ShrinkOptions> | null {
  if (shrink === false) return null;
  if (shrink !== true && (typeof shrink !== 'object' || shrink === null)) {
    throw wrongType('shrink', 'true, false or { maxTries, maxMs }', shrink);
  }
  const { maxTries = 200, maxMs = 2000 } = shrink === true ? {} : shrink;
  checkInteger('shrink.maxTries', maxTries, 1, Number.MAX_SAFE_INTEGER);
  checkDuration('shrink.maxMs', maxMs);
  return { maxTries, maxMs };
}

function checkBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw wrongType(name, 'true or false', value);
}

/** Checks of what simulations are told: links, faults, options. */

const FAULT_NAMES: Readonly<Record<keyof Faults, true>> = {
  shortReads: true,
  shortWrites: true,
  spuriousWakeups: true,
  resets: true,
  emfile: true,
  slowAccept: true,
};

const LINK_FIELDS = new Set(['latencyMs', 'bytesPerSecond', 'loss', 'reorder']);

/** Throws unless `value` is an object. */
export function checkObject(name: string, value: unknown): asserts value is object {
  if (typeof value !== 'object' || value === null) throw wrongType(name, 'an object', value);
}

/** Throws unless `value` is a probability. */
export function checkProbability(name: string, value: unknown): void {
  if (typeof value !== 'number') throw wrongType(name, 'a number from 0 to 1', value);
  if (!(value >= 0 && value <= 1)) throw outOfRange(name, 'a number from 0 to 1', value);
}

export function checkFaults(name: string, faults: Faults): void {
  checkObject(name, faults);
  for (const [fault, chance] of Object.entries(faults)) {
    if (!Object.hasOwn(FAULT_NAMES, fault)) {
      throw outOfRange(name, `chances of ${Object.keys(FAULT_NAMES).join(', ')}`, fault);
    }
    if (chance !== undefined) checkProbability(`${name}.${fault}`, chance);
  }
}

export function checkLink(name: string, link: Link): void {
  checkObject(name, link);
  for (const field of Object.keys(link)) {
    if (LINK_FIELDS.has(field)) continue;
    throw outOfRange(name, `made of ${[...LINK_FIELDS].join(', ')}`, field);
  }
  checkLatency(`${name}.latencyMs`, link.latencyMs);
  if (link.loss !== undefined) checkProbability(`${name}.loss`, link.loss);
  if (link.reorder !== undefined) checkProbability(`${name}.reorder`, link.reorder);
  const { bytesPerSecond } = link;
  if (bytesPerSecond === undefined) return;
  const expected = 'a number of bytes per second > 0';
  if (typeof bytesPerSecond !== 'number')
    throw wrongType(`${name}.bytesPerSecond`, expected, bytesPerSecond);
  if (!(bytesPerSecond > 0)) throw outOfRange(`${name}.bytesPerSecond`, expected, bytesPerSecond);
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
export function checkOneOf(name: string, value: unknown, words: readonly string[]): void {
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
