/**
 * Hostile but legal behaviour of the system: each kind with a probability of its own. What has
 * fired is in the trace, by the name that it has in the options.
 */
import type { Faults, SimCore } from '../core.ts';

/** The longest time after which a task is woken for nothing, or a connection becomes visible. */
const MAX_DELAY_MS = 50;

/** True: the fault happens this time. */
export function injectFault(core: SimCore, name: keyof Faults, host: string): boolean {
  const chance = core.faults[name];
  if (chance === undefined || chance === 0) return false;
  const stream = core.decisions.stream('fault', `${host} ${name}`);
  if (!core.decisions.chance(stream, chance)) return false;
  core.trace('fault', host, '', 0, () => name);
  return true;
}

/** A number from 1 to `most`: how many of `most` bytes the system moves. */
export function shortLength(core: SimCore, most: number): number {
  return 1 + core.decisions.choose('fault', most - 1);
}

/** When something happens that a fault has delayed, or brought about. */
export function delayedTime(core: SimCore): number {
  return core.now + core.decisions.between('fault', 0, MAX_DELAY_MS);
}

/**
 * Wake-ups for nothing, of one socket. One is enough until something has really happened: a task
 * that is fooled for ever would keep the world from coming to rest.
 */
export class SpuriousWakeUps {
  readonly #core: SimCore;
  readonly #host: string;
  #hasWoken = false;

  constructor(core: SimCore, host: string) {
    this.#core = core;
    this.#host = host;
  }

  /** Nothing is there from now on. If the fault strikes, `wake` is called all the same. */
  mayWake(wake: () => void): void {
    if (this.#hasWoken || !injectFault(this.#core, 'spuriousWakeups', this.#host)) return;
    this.#hasWoken = true;
    this.#core.callAt(delayedTime(this.#core), wake);
  }

  /** Something has happened. */
  reset(): void {
    this.#hasWoken = false;
  }
}
