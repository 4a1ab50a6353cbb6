/**
 * AsyncLocalStorage across tasks. What was set around `run` is seen by the whole run, what was set
 * around `spawn` by that task and its children.
 *
 * A generator sees the context of whoever resumes it, and that is the host. So the host runs the
 * scheduler in a resource made by `run` (5 ns for each pump), and a task that was spawned in
 * another context brings a resource of its own, in which its steps run (20 ns for each step).
 * Making one for every spawn would cost as much as the spawn, so that begins once some
 * AsyncLocalStorage is in use.
 *
 * There is no public way to ask for that. What can be seen: a new AsyncResource carries
 * what is stored: under a symbol of each storage (Node 20, 22) or in one frame (from 24 on).
 */
import { AsyncResource } from 'node:async_hooks';
import type { AsyncContext } from '../kernel/host.ts';

/** The first spawns of a run look whether storage is in use, and later each PROBE_EVERY-th. */
const FIRST_PROBES = 128;
const PROBE_EVERY = 16;

export class AsyncContexts {
  /** The context of the run. */
  readonly own: AsyncResource = makeResource();
  /** What was stored when the run began. `storage.run` changes the resource that it runs in. */
  readonly #ownMarks: Marks = marks(this.own);
  #spawns = 0;
  #inUse: boolean = isMarked(this.#ownMarks);

  /** The context of the caller, where it is another one than the run's; otherwise null. */
  capture(): AsyncContext | null {
    if (!this.#inUse && !this.#shouldProbe()) return null;
    const here = makeResource();
    const found = marks(here);
    this.#inUse ||= isMarked(found);
    return this.#inUse && !isSame(found, this.#ownMarks) ? here : null;
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

/** What storages have put on a resource: everything but the two ids that each has. */
function marks(resource: object): Marks {
  const found = new Map<symbol, unknown>();
  for (const key of Object.getOwnPropertySymbols(resource)) {
    const isId = key.description?.endsWith('async_id_symbol');
    if (isId !== true) found.set(key, (resource as Record<symbol, unknown>)[key]);
  }
  return found;
}

function isMarked(found: Marks): boolean {
  return [...found.values()].some((value) => value !== undefined);
}

function isSame(a: Marks, b: Marks): boolean {
  return [...a.keys(), ...b.keys()].every((key) => a.get(key) === b.get(key));
}
