/**
 * Injected faults: rare but permitted behaviour of the system, each kind with its own probability.
 * The trace contains every injected fault, with its name in `Faults`.
 */
import type { Readiness } from '../../kernel/readiness.ts';
import type { Faults, SimCore } from '../core.ts';

/** The maximum delay of a spurious wake-up and of a connection that becomes visible late. */
const MAX_DELAY_MS = 50;

/** True: the fault happens now. */
export function injectFault(core: SimCore, name: keyof Faults, host: string): boolean {
  const probability = core.faults[name];
  if (probability === undefined || probability === 0) return false;
  const stream = core.decisions.stream('fault', `${host} ${name}`);
  if (!core.decisions.chance(stream, probability)) return false;
  core.trace('fault', host, '', 0, () => name);
  return true;
}

/** The number of bytes that a short read or write moves: from 1 to `most`. */
export function shortLength(core: SimCore, most: number): number {
  return 1 + core.decisions.choose('fault', most - 1);
}

/** The time of an event that a fault delays or causes. */
export function delayedTime(core: SimCore): number {
  return core.now + core.decisions.between('fault', 0, MAX_DELAY_MS);
}

/**
 * Injects spurious wake-ups of one socket. There is at most one between two real events: endless
 * wake-ups would prevent the world from becoming idle.
 */
export class SpuriousWakeUps {
  readonly #core: SimCore;
  readonly #host: string;
  readonly #socket: Readiness & { readonly closed: boolean };
  #hasWoken = false;

  constructor(core: SimCore, host: string, socket: Readiness & { readonly closed: boolean }) {
    this.#core = core;
    this.#host = host;
    this.#socket = socket;
  }

  /** The socket is not ready from now on. If the fault is injected, its task is woken later. */
  mayWake(direction: 'recv' | 'send'): void {
    if (this.#hasWoken || !injectFault(this.#core, 'spuriousWakeups', this.#host)) return;
    this.#hasWoken = true;
    this.#core.callAt(delayedTime(this.#core), () => {
      if (this.#socket.closed) return;
      if (direction === 'recv') this.#socket.notifyRecv();
      else this.#socket.notifySend();
    });
  }

  /** A real event has happened. */
  reset(): void {
    this.#hasWoken = false;
  }
}
