/**
 * AsyncLocalStorage across tasks: each task has its own async context. It begins with the values
 * of the code that spawned it, and `enterWith` in a task changes only that task.
 *
 * A generator runs in the context of the code that resumes it, which is the host. So the scheduler
 * enters the context of a task before each step and leaves it after the step. A context is a set
 * of values that never changes. Node has no public function for it, but each version has an object
 * that a program can reach through a new AsyncResource:
 *
 *  - Since Node 24 a *frame*: a Map from the storages to their values. `enterWith` replaces the
 *    current frame. A comparison of the frames takes half a nanosecond per step.
 *  - Before, each storage has a symbol, under which it writes its value into the resource that
 *    runs. This is the resource of the run for all its tasks, so the values of a task are copied
 *    out of it and back. A prototype with a `set` trap reports the first value of each storage;
 *    until then there is nothing to copy.
 *
 * In a runtime that has neither, tasks have the context in which `run` was called.
 */
import {
  AsyncLocalStorage,
  AsyncResource,
  executionAsyncId,
  executionAsyncResource,
} from 'node:async_hooks';
import type { AsyncContext, AsyncContexts } from '../kernel/host.ts';

/** The contexts of a run. Without subclass: one for all its tasks. */
export class RunContexts implements AsyncContexts {
  protected readonly resource: AsyncResource = createResource();
  readonly own: AsyncContext = undefined;

  around<T>(fn: () => T): T {
    return runInAsyncScope.call(this.resource, fn) as T;
  }

  capture(): AsyncContext {
    return this.own;
  }

  enter(_context: AsyncContext): void {}

  leave(): AsyncContext {
    return this.own;
  }
}

const { runInAsyncScope } = AsyncResource.prototype;

/** The class of frames, since Node 24. */
interface FrameClass {
  current(): AsyncContext;
  set(frame: AsyncContext): void;
}

class FrameContexts extends RunContexts {
  override readonly own: AsyncContext;
  readonly #frames: FrameClass;

  constructor(frames: FrameClass) {
    super();
    this.#frames = frames;
    this.own = frames.current();
  }

  override capture(): AsyncContext {
    return this.#frames.current();
  }

  override enter(context: AsyncContext): void {
    if (context !== this.own) this.#frames.set(context);
  }

  override leave(): AsyncContext {
    const context = this.#frames.current();
    if (context !== this.own) this.#frames.set(this.own);
    return context;
  }
}

/** The values of the storages, in the order of StoreContexts.#keys. */
type Values = readonly unknown[];
type Stores = Record<symbol, unknown>;

class StoreContexts extends RunContexts {
  override readonly own: Values;
  readonly #resourceId: number;
  /** The symbols of the storages that have been used in the run. */
  readonly #keys: symbol[];
  /** The values that `resource` has, unless the current step has changed them. */
  #entered: Values;

  constructor() {
    super();
    this.#resourceId = this.resource.asyncId();
    this.#keys = storageKeys(this.resource);
    this.own = this.#read(this.resource, []);
    this.#entered = this.own;
    Object.setPrototypeOf(this.resource, new Proxy(AsyncResource.prototype, this.#trap));
  }

  /** The resource has no value of its own for `key`: its storage is used for the first time. */
  readonly #trap: ProxyHandler<AsyncResource> = {
    set: (_target, key, value, receiver): boolean => {
      this.#learn(key);
      const attributes = { writable: true, enumerable: true, configurable: true };
      return Reflect.defineProperty(receiver as object, key, { value, ...attributes });
    },
  };

  #learn(key: string | symbol): void {
    if (isStorageKey(key) && !this.#keys.includes(key)) this.#keys.push(key);
  }

  override capture(): AsyncContext {
    // A comparison of the resources takes ten times as long.
    if (executionAsyncId() === this.#resourceId) {
      return this.#keys.length === 0 ? this.own : this.#current();
    }
    const resource = executionAsyncResource();
    for (const key of storageKeys(resource)) {
      if ((resource as unknown as Stores)[key] !== undefined) this.#learn(key);
    }
    return this.#read(resource, this.own);
  }

  override enter(context: AsyncContext): void {
    if (context !== this.#entered) this.#write(context as Values);
  }

  override leave(): AsyncContext {
    if (this.#keys.length === 0) return this.own;
    const context = this.#current();
    if (context !== this.own) this.#write(this.own);
    return context;
  }

  #current(): Values {
    this.#entered = this.#read(this.resource, this.#entered);
    return this.#entered;
  }

  /** The values of `resource`; `known`, if they are the same. */
  #read(resource: object, known: Values): Values {
    const isSame = this.#keys.every((key, index) => (resource as Stores)[key] === known[index]);
    return isSame ? known : this.#keys.map((key) => (resource as Stores)[key]);
  }

  #write(values: Values): void {
    this.#entered = values;
    const stores = this.resource as unknown as Stores;
    for (const [index, key] of this.#keys.entries()) stores[key] = values[index];
  }
}

function isStorageKey(key: string | symbol): key is symbol {
  return typeof key === 'symbol' && key.description === 'kResourceStore';
}

function storageKeys(resource: object): symbol[] {
  return Object.getOwnPropertySymbols(resource).filter(isStorageKey);
}

/** Creates the contexts of a run that begins in the calling code. */
export function createContexts(): RunContexts {
  create ??= chooseContexts();
  return create();
}

let create: (() => RunContexts) | null = null;

/** Finds out how this runtime stores the values. */
function chooseContexts(): () => RunContexts {
  const storage = new AsyncLocalStorage<boolean>();
  // In a resource that is used for that only, because storages leave a symbol in it.
  const resource = createResource().runInAsyncScope(() => storage.run(true, createResource));
  storage.disable();
  if (storageKeys(resource).length > 0) return () => new StoreContexts();
  for (const key of Object.getOwnPropertySymbols(resource)) {
    const frames: unknown = (resource as unknown as Stores)[key]?.constructor;
    if (isFrameClass(frames)) return () => new FrameContexts(frames);
  }
  return () => new RunContexts();
}

function isFrameClass(value: unknown): value is FrameClass {
  const { current, set } = value as Partial<FrameClass>;
  return typeof current === 'function' && typeof set === 'function';
}

function createResource(): AsyncResource {
  return new AsyncResource('coronet', { requireManualDestroy: true });
}
