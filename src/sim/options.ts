/** The options of `simulate`: checks and defaults. */

import type { Hooks } from '../kernel/hooks.ts';
import { checkHooks } from '../kernel/hooks.ts';
import type { Keys } from '../support/checks.ts';
import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkKeys,
  checkProbability,
  outOfRange,
  wrongType,
} from '../support/checks.ts';
import type { OrderName } from './choices/order.ts';
import { DEFAULT_ORDER, ORDERS } from './choices/order.ts';
import type { Faults, Link, MakeNetworkModel } from './core.ts';
import { linkParameters } from './network/link.ts';
import { SimulatedNetwork } from './network/simulated-network.ts';
import type { Replay } from './replay/token.ts';
import { decodeReplay } from './replay/token.ts';
import type { RealProcess, RunSettings } from './run-once.ts';
import { RealWaitHistory } from './run-once.ts';

/** The options of `simulate`. */
export interface SimOptions {
  /** The seed of the first run, a whole number. Run i has the seed `seed + i`. Default 1. */
  readonly seed?: number;
  /** The number of runs. Default 1. The first run that fails is the last. */
  readonly runs?: number;
  /** The scheduling order: which ready task makes the next step. Default 'random'. */
  readonly order?: OrderName;
  /** For 'pct': the number of events whose order triggers the bug. Default 3. */
  readonly pctDepth?: number;
  /** How messages travel between hosts without a `world.link`. Default {}. */
  readonly link?: Link;
  /** Probabilities of rare but permitted behaviour. Default: none. */
  readonly faults?: Faults;
  /** A run fails after so many virtual milliseconds. Default one hour. Infinity: no limit. */
  readonly maxVirtualMs?: number;
  /** A run fails after so many task steps and network events. Default 1 000 000. */
  readonly maxSteps?: number;
  /** Makes each run twice and fails if the two differ. Default false. */
  readonly checkDeterminism?: boolean;
  /**
   * Whether a failed run is repeated with fewer and fewer random choices, until only those remain
   * that the failure needs. Default true: at most 200 attempts and 2000 real milliseconds.
   */
  readonly shrink?: boolean | ShrinkOptions;
  /**
   * A replay token (`SimulationError.replay`): simulates that one run. The token contains `seed`,
   * `runs`, `order` and `pctDepth`. All other options must be those of the failed run.
   */
  readonly replay?: string;
  /** Hooks of every host's scheduler. With `onUnhandled`, unhandled errors do not fail the run. */
  readonly hooks?: Hooks;
  /** Debug mode. Default: true if the environment variable CORONET_DEBUG is '1'. */
  readonly debug?: boolean;
}

/** The limits of shrinking: attempts (default 200) and real milliseconds (default 2000). */
export interface ShrinkOptions {
  readonly maxTries?: number;
  readonly maxMs?: number;
}

export const SIM_KEYS: Keys<SimOptions> = {
  seed: true,
  runs: true,
  order: true,
  pctDepth: true,
  link: true,
  faults: true,
  maxVirtualMs: true,
  maxSteps: true,
  checkDeterminism: true,
  shrink: true,
  replay: true,
  hooks: true,
  debug: true,
};

/** The options of a campaign after checks and defaults. */
export interface Plan {
  readonly seed: number;
  readonly runs: number;
  /** Whether the run is that of a replay token. */
  readonly isReplay: boolean;
  readonly checkDeterminism: boolean;
  /** The limits of shrinking; null: failed runs are not shrunk. */
  readonly shrinkLimits: Required<ShrinkOptions> | null;
  readonly settings: RunSettings;
  readonly command: ReplayCommand;
}

/** The command that repeats a run, and the order that it uses without options. */
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

/** The dependencies of `simulate`. */
export interface SimDependencies {
  readonly realProcess: RealProcess;
  /** Default: `SimulatedNetwork`. */
  readonly makeNetwork?: MakeNetworkModel;
}

/** Throws TypeError or RangeError for wrong options, ReplayTokenError for a wrong token. */
export function planOf(options: SimOptions, dependencies: SimDependencies): Plan {
  checkKeys('options', options, SIM_KEYS);
  checkHooks(options.hooks);
  const { realProcess, makeNetwork = makeSimulatedNetwork } = dependencies;
  const { checkDeterminism = false, hooks, debug = realProcess.debug() } = options;
  const { maxVirtualMs = 3_600_000, maxSteps = 1_000_000 } = options;
  const { faults = {} } = options;
  const { runs, ...replay } = selectRuns(options);
  const link = linkParameters(options.link);
  checkFaults('faults', faults);
  checkDuration('maxVirtualMs', maxVirtualMs);
  checkInteger('maxSteps', maxSteps, 1, Number.MAX_SAFE_INTEGER);
  checkBoolean('checkDeterminism', checkDeterminism);
  checkBoolean('debug', debug);
  const shrinkLimits = shrinkLimitsOf(options.shrink);
  const limits = { maxVirtualMs, maxSteps };
  const realWaits = new RealWaitHistory();
  const observation = { hooks, debug, deviations: null, record: false, realWaits };
  return {
    seed: replay.seed,
    runs,
    isReplay: options.replay !== undefined,
    checkDeterminism,
    // The run of a token with a list of choices is shrunk already.
    shrinkLimits: replay.allowed === null ? shrinkLimits : null,
    settings: { ...replay, link, faults, makeNetwork, ...limits, ...observation },
    command: DEFAULT_COMMAND,
  };
}

const makeSimulatedNetwork: MakeNetworkModel = (core, defaults) => {
  return new SimulatedNetwork(core, defaults);
};

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
  const limits: ShrinkOptions = shrink === true ? {} : shrink;
  checkKeys('shrink', limits, { maxTries: true, maxMs: true });
  const { maxTries = 200, maxMs = 2000 } = limits;
  checkInteger('shrink.maxTries', maxTries, 1, Number.MAX_SAFE_INTEGER);
  checkDuration('shrink.maxMs', maxMs);
  return { maxTries, maxMs };
}

const FAULT_NAMES: Keys<Faults> = {
  shortReads: true,
  shortWrites: true,
  spuriousWakeups: true,
  resets: true,
  emfile: true,
  slowAccept: true,
};

function checkFaults(name: string, faults: Faults): void {
  checkKeys(name, faults, FAULT_NAMES);
  for (const [fault, probability] of Object.entries(faults)) {
    if (probability !== undefined) checkProbability(`${name}.${fault}`, probability);
  }
}

function checkOneOf(name: string, value: unknown, words: readonly string[]): void {
  if (typeof value === 'string' && words.includes(value)) return;
  const expected = `one of ${words.map((word) => `'${word}'`).join(', ')}`;
  const error = typeof value === 'string' ? outOfRange : wrongType;
  throw error(name, expected, value);
}

/** Throws unless all seeds of the runs are exact whole numbers. */
function checkSeeds(seed: number, runs: number): void {
  checkInteger('runs', runs, 1, Number.MAX_SAFE_INTEGER);
  checkInteger('seed', seed, 0, Number.MAX_SAFE_INTEGER - runs + 1);
}
