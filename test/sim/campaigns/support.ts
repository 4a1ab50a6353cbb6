/** What the campaigns share: their shape, chance, demands, and which errors a network may make. */
import type { Operation, Socket } from 'coronet';
import { Event, isCancelled } from 'coronet';
import type { Faults, Host, Link, Scenario, SimOptions, World } from 'coronet/sim';

/** A scenario that has to succeed with every seed. */
export interface Campaign {
  readonly name: string;
  /** What it shows, for the table of a long run. */
  readonly shows: string;
  readonly scenario: Scenario;
  readonly options: SimOptions;
}

/** Everything hostile that leaves connections whole. */
export const HOSTILE: Faults = {
  shortReads: 0.3,
  shortWrites: 0.3,
  spuriousWakeups: 0.2,
  slowAccept: 0.3,
};

/** The same, and connections break and descriptors run out. */
export const BRUTAL: Faults = { ...HOSTILE, resets: 0.02, emfile: 0.1 };

export const LOSSY: Link = { latencyMs: [0, 20], loss: 0.05 };

export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** Chance out of the world's seed. */
export class Chance {
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
  strikes(p: number): boolean {
    return this.#world.random() < p;
  }

  /** Bytes that differ along the way and from draw to draw. Nobody may write to them. */
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

const ERRORS_OF_NETWORKS = new Set([
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

/** Drives `op`. Errors that a broken connection brings give `undefined`; others go through. */
export function* unlessBroken<T>(op: () => Operation<T>): Operation<T | undefined> {
  try {
    return yield* op();
  } catch (error) {
    if (isCancelled(error) || !ERRORS_OF_NETWORKS.has(codeOf(error))) throw error;
    return undefined;
  }
}

/** Hosts that have a task to fulfil, and a way to wait until all have. */
export class Troop {
  readonly #world: World;
  readonly #allDone = new Event('all are done');
  #working = 0;

  constructor(world: World) {
    this.#world = world;
  }

  host(name: string, program: () => Operation<unknown>): Host {
    this.#working++;
    return this.#world.host(name, () => this.#fulfil(program));
  }

  *#fulfil(program: () => Operation<unknown>): Operation<void> {
    yield* program();
    if (--this.#working === 0) this.#allDone.set();
  }

  allDone(): Operation<void> {
    return this.#allDone.wait();
  }
}

/** Everything up to the end of file. */
export function* receiveAll(socket: Socket, max = 65536): Operation<Buffer> {
  const parts: Buffer[] = [];
  for (;;) {
    const part = yield* socket.recv(max);
    if (part.length === 0) return Buffer.concat(parts);
    parts.push(part);
  }
}
