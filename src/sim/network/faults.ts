/**
 * Hostile but legal behaviour of the system: each kind with a probability of its own. What has
 * fired is in the trace, by the name that it has in the options.
 */
import type { Faults, SimCore } from '../core.ts';

/** The longest time after which a task is woken for nothing, or a connection becomes visible. */
const LONGEST_DELAY_MS = 50;

/** True: the fault happens this time. */
export function strikes(core: SimCore, name: keyof Faults, host: string): boolean {
  const chance = core.faults[name];
  if (chance === undefined || !core.decisions.chance('fault', chance)) return false;
  core.trace('fault', host, '', 0, () => name);
  return true;
}

/** A number from 1 to `most`: how many of `most` bytes the system moves. */
export function shortened(core: SimCore, most: number): number {
  return 1 + core.decisions.choose('fault', most - 1);
}

/** When something happens that a fault has delayed, or brought about. */
export function soon(core: SimCore): number {
  return core.now + core.decisions.between('fault', 0, LONGEST_DELAY_MS);
}
