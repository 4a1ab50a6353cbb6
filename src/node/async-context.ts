/**
 * AsyncLocalStorage across tasks. The values that were set around `run` are visible in the whole
 * run, and those that were set around `spawn` in the task and its children.
 *
 * A generator runs in the context of the code that resumes it, which is the host. So the host runs
 * the scheduler in a resource that `run` creates (5 ns per pump). A task that was spawned in
 * another context has its own resource, in which its steps run (20 ns per step). Creating a
 * resource for every spawn would cost as much as the spawn, so that begins only when some
 * AsyncLocalStorage is in use.
 *
 * Node has no public function to query that. But a new AsyncResource carries the stored values:
 * under a symbol of each storage (Node 20, 22) or in one frame (since Node 24).
 */
import { AsyncResource } from 'node:async_hooks';
import type { AsyncContext } from '../kernel/host.ts';

/**
 * The first FIRST_PROBES spawns of a run check whether storage is in use, later ones one in
 * PROBE_EVERY.
 */
const FIRST_PROBES = 128;
const PROBE_EVERY = 16;

export class AsyncContexts {
  /** The context of the run. */
  readonly own: AsyncResource = makeResource();
  /** The stored values when the run began. `storage.run` changes the resource that it runs in. */
  readonly #ownMarks: Marks = marks(this.own);
  #spawns = 0;
  #inUse: boolean = hasMarks(this.#ownMarks);

  /** The context of the caller if it differs from that of the run, otherwise null. */
  capture(): AsyncContext | null {
    if (!this.#inUse && !this.#shouldProbe()) return null;
    const resource = makeResource();
    const found = marks(resource);
    this.#inUse ||= hasMarks(found);
    return this.#inUse && !isSame(found, this.#ownMarks) ? resource : null;
  }

  #shouldProbe(): boolean {
    this.#spawns++;
    return this.#spawns <= FIRST_PROBES || this.#spawns % PROBE_EVERY === 0;
  }
}

function makeResource(): AsyncResource {
  return new AsyncResource('coronet', { requireManualDestroy: true });
}

type Marks = ReadonlyMap<symbol, unknown>;

/** The values that storages have stored in a resource: every symbol except those of its two ids. */
function marks(resource: object): Marks {
  const found = new Map<symbol, unknown>();
  for (const key of Object.getOwnPropertySymbols(resource)) {
    const isId = key.description?.endsWith('async_id_symbol');
    if (isId !== true) found.set(key, (resource as Record<symbol, unknown>)[key]);
  }
  return found;
}

function hasMarks(found: Marks): boolean {
  return [...found.values()].some((value) => value !== undefined);
}

function isSame(a: Marks, b: Marks): boolean {
  return [...a.keys(), ...b.keys()].every((key) => a.get(key) === b.get(key));
}
