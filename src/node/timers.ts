/**
 * The timers and clocks of the process, as they were when this module was loaded. Test runners
 * replace the global functions, and some replace those of `node:timers` too. The runtime must
 * continue to move bytes and to end real sleeps, so it uses the functions of this file only.
 */
import { performance } from 'node:perf_hooks';
import timers from 'node:timers';

export const setTimeout: typeof timers.setTimeout = timers.setTimeout;
export const clearTimeout: typeof timers.clearTimeout = timers.clearTimeout;
export const setInterval: typeof timers.setInterval = timers.setInterval;
export const clearInterval: typeof timers.clearInterval = timers.clearInterval;
export const setImmediate: typeof timers.setImmediate = timers.setImmediate;
export const clearImmediate: typeof timers.clearImmediate = timers.clearImmediate;
export const nextTick: typeof process.nextTick = process.nextTick.bind(process);

/** Milliseconds: monotonic, fractional. */
export const now: () => number = performance.now.bind(performance);

/** Milliseconds since the epoch. */
export const wallClock: () => number = Date.now;
