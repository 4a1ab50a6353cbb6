/** What `simulate` can be told, and how it is checked and completed. */
import { checkDuration, checkInteger, wrongType } from '../kernel/checks.ts';
import type { Hooks } from '../kernel/hooks.ts';
import { checkFaults, checkLink, checkObject, checkSeeds, checkWord } from './checks.ts';
import type { Faults, Link } from './core.ts';
import type { MakeMedium } from './medium.ts';
import type { OrderName } from './order.ts';
import { DEFAULT_ORDER, ORDERS } from './order.ts';
import type { RunSettings } from './settings.ts';

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
  /** Hooks of every host's scheduler. With `onUnhandled`, unhandled errors fail no run. */
  readonly hooks?: Hooks;
  /** Debug mode; default: whether the environment variable CORONET_DEBUG is '1'. */
  readonly debug?: boolean;
}

export const DEFAULT_LINK: Link = { latencyMs: [1, 10] };

/** The options, checked and complete. */
export interface Plan {
  readonly seed: number;
  readonly runs: number;
  readonly checkDeterminism: boolean;
  readonly settings: RunSettings;
}

/** Throws TypeError or RangeError for wrong options. */
export function planOf(options: SimOptions, makeMedium: MakeMedium, debug: boolean): Plan {
  checkObject('options', options);
  const { seed = 1, runs = 1, checkDeterminism = false, hooks } = options;
  const { maxVirtualMs = 3_600_000, maxSteps = 1_000_000 } = options;
  const { order = DEFAULT_ORDER, pctDepth = 3, link = DEFAULT_LINK, faults = {} } = options;
  checkSeeds(seed, runs);
  checkWord('order', order, ORDERS);
  checkInteger('pctDepth', pctDepth, 1, 100);
  checkLink('link', link);
  checkFaults('faults', faults);
  checkDuration('maxVirtualMs', maxVirtualMs);
  checkInteger('maxSteps', maxSteps, 1, Number.MAX_SAFE_INTEGER);
  checkBoolean('checkDeterminism', checkDeterminism);
  if (options.debug !== undefined) checkBoolean('debug', options.debug);
  const limits = { maxVirtualMs, maxSteps };
  const free = { kept: null, deviations: null, record: false };
  const watching = { hooks, debug: options.debug ?? debug };
  const world = { link, faults, order, pctDepth, makeMedium };
  const settings = { seed, ...world, ...limits, ...watching, ...free };
  return { seed, runs, checkDeterminism, settings };
}

function checkBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw wrongType(name, 'true or false', value);
}
