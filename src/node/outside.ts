/** The process as a simulation needs it: the event loop, and who uses its clock. */
import { current } from '../kernel/current.ts';

/** Lets the event loop turn once. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Calls `action` after so many milliseconds; the answer takes that back. */
export function later(ms: number, action: () => void): () => void {
  const timer = setTimeout(action, ms);
  return () => clearTimeout(timer);
}

type AnyFunction = (...args: unknown[]) => unknown;

/** What gives other results every time: where it lies, and how it is called. */
const SOURCES: readonly (readonly [object: object, key: string, name: string])[] = [
  [Math, 'random', 'Math.random'],
  [Date, 'now', 'Date.now'],
  [performance, 'now', 'performance.now'],
  [process, 'hrtime', 'process.hrtime'],
  [crypto, 'getRandomValues', 'crypto.getRandomValues'],
  [crypto, 'randomUUID', 'crypto.randomUUID'],
  [globalThis, 'setTimeout', 'setTimeout'],
  [globalThis, 'setInterval', 'setInterval'],
  [globalThis, 'setImmediate', 'setImmediate'],
  [globalThis, 'queueMicrotask', 'queueMicrotask'],
];

/**
 * Puts a function before each source that calls `used` when a task is running, and then the
 * source. `new Date()` cannot be seen. The answer puts everything back.
 */
export function watch(used: (name: string) => void): () => void {
  const undo = SOURCES.map(([object, key, name]) => {
    const original = Reflect.get(object, key) as AnyFunction;
    const own = Object.getOwnPropertyDescriptor(object, key);
    function watched(this: unknown, ...args: unknown[]): unknown {
      if (current.task !== null) used(`${name} (by task '${current.task.name}')`);
      return Reflect.apply(original, this, args);
    }
    Object.defineProperty(object, key, { value: watched, configurable: true, writable: true });
    return () => {
      if (own === undefined) Reflect.deleteProperty(object, key);
      else Object.defineProperty(object, key, own);
    };
  });
  return () => {
    for (const back of undo) back();
  };
}
