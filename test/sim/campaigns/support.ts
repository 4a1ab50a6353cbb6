/** Helpers of the campaigns: their type, faults, random choices, checks. */
import type { Operation, Socket } from 'coronet';
import { Event, isCancelled } from 'coronet';
import type { Faults, Host, Link, Scenario, SimOptions, World } from 'coronet/sim';

/** A scenario that has to succeed with every seed. */
export interface Campaign {
  readonly name: string;
  /** The property that it verifies, for the table of `npm run soak`. */
  readonly shows: string;
  readonly scenario: Scenario;
  readonly options: SimOptions;
}

/** Faults that do not break connections. */
export const HOSTILE: Faults = {
  shortReads: 0.3,
  shortWrites: 0.3,
  spuriousWakeups: 0.2,
  slowAccept: 0.3,
};

/** The same, and faults that reset connections and exhaust descriptors. */
export const DESTRUCTIVE: Faults = { ...HOSTILE, resets: 0.02, emfile: 0.1 };

export const LOSSY: Link = { latencyMs: [0, 20], loss: 0.05 };

export function check(holds: boolean, problem: string): asserts holds {
  if (!holds) throw new Error(problem);
}

/** Random choices, determined by the seed of the world. */
export class Random {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** A whole number from `least` to `most`, both included. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.#world.random() * (most - least + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length - 1)] as T;
  }

  /** True with probability `p`. */
  happens(p: number): boolean {
    return this.#world.random() < p;
  }

  /** A random slice of random bytes. Its memory is shared and must not be written. */
  bytes(length: number): Buffer {
    const at = this.integer(0, NOISE.length - length);
    return NOISE.subarray(at, at + length);
  }
}

const NOISE = noise(1_000_000);

function noise(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

const NETWORK_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EMFILE',
  'EHOSTUNREACH',
  'ERR_UNEXPECTED_EOF',
]);

export function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown } | null | undefined)?.code);
}

/** Runs `op`. Returns `undefined` if it fails with an error of the network; rethrows others. */
export function* ignoreNetworkErrors<T>(op: () => Operation<T>): Operation<T | undefined> {
  try {
    return yield* op();
  } catch (error) {
    if (isCancelled(error) || !NETWORK_ERRORS.has(codeOf(error))) throw error;
    return undefined;
  }
}

/** Hosts whose programs have to end, and a way to wait for all of them. */
export class WorkingHosts {
  readonly #world: World;
  readonly #allDone = new Event('all are done');
  #working = 0;

  constructor(world: World) {
    this.#world = world;
  }

  host(name: string, program: () => Operation<unknown>): Host {
    this.#working++;
    return this.#world.host(name, () => this.#run(program));
  }

  *#run(program: () => Operation<unknown>): Operation<void> {
    yield* program();
    if (--this.#working === 0) this.#allDone.set();
  }

  allDone(): Operation<void> {
    return this.#allDone.wait();
  }
}

/** Receives until the end of file. */
export function* receiveAll(socket: Socket, max = 65536): Operation<Buffer> {
  const parts: Buffer[] = [];
  for (;;) {
    const part = yield* socket.recv(max);
    if (part.length === 0) return Buffer.concat(parts);
    parts.push(part);
  }
}
