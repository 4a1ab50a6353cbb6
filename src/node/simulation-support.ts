/** The process as a simulation needs it: the event loop, and who uses its clock. */

import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
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

/** A question that is answered with true once so many milliseconds have passed. */
export function limit(ms: number): () => boolean {
  const end = performance.now() + ms;
  return () => performance.now() >= end;
}

/** What gives other results every time: where it lies, and what it is called in a message. */
const NONDETERMINISTIC_SOURCES: readonly (readonly [object: object, key: string, name: string])[] =
  [
    [Math, 'random', 'Math.random'],
    [Date, 'now', 'Date.now'],
    [globalThis, 'Date', 'new Date()'],
    [performance, 'now', 'performance.now'],
    [process.hrtime, 'bigint', 'process.hrtime.bigint'],
    [process, 'hrtime', 'process.hrtime'],
    [crypto, 'getRandomValues', 'crypto.getRandomValues'],
    [crypto, 'randomUUID', 'crypto.randomUUID'],
    [globalThis, 'setTimeout', 'setTimeout'],
    [globalThis, 'setInterval', 'setInterval'],
    [globalThis, 'setImmediate', 'setImmediate'],
    [globalThis, 'queueMicrotask', 'queueMicrotask'],
  ];

/**
 * Puts a proxy in the place of each source: it calls `used` when a task is running, and then does
 * what the source does. The answer puts everything back.
 */
export function watch(used: (name: string) => void): () => void {
  const undo = NONDETERMINISTIC_SOURCES.map(([object, key, name]) => {
    const own = Object.getOwnPropertyDescriptor(object, key);
    const value = watched(Reflect.get(object, key) as object, name, used);
    Object.defineProperty(object, key, { value, configurable: true, writable: true });
    return () => {
      if (own === undefined) Reflect.deleteProperty(object, key);
      else Object.defineProperty(object, key, own);
    };
  });
  return () => {
    for (const back of undo) back();
  };
}

function watched(source: object, name: string, used: (name: string) => void): object {
  const note = (): void => {
    if (current.task !== null) used(`${name} (by task '${current.task.name}')`);
  };
  return new Proxy(source, {
    apply(target, self: unknown, args: unknown[]): unknown {
      note();
      return Reflect.apply(target as () => unknown, self, args);
    },
    construct(target, args: unknown[], made): object {
      // A Date of a given time is as good as any other value.
      if (args.length === 0) note();
      return Reflect.construct(target as DateConstructor, args, made) as object;
    },
  });
}

/** Small text files, as programs that run now and then keep them. */

/** '' for a file that is not there. */
export function readText(path: string | URL): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return '';
    throw error;
  }
}

/** Adds to the end; a short text is added as a whole, also while others do the same. */
export function appendText(path: string | URL, text: string): void {
  mkdirSync(dirname(typeof path === 'string' ? path : fileURLToPath(path)), { recursive: true });
  appendFileSync(path, text);
}
