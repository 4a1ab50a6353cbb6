/**
 * Access to the process for simulations: the event loop, real time, files, and the detection of
 * nondeterministic calls.
 */

import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { current } from '../kernel/current.ts';

/** Waits for one turn of the event loop. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Calls `action` after `ms` milliseconds. The returned function cancels. */
export function later(ms: number, action: () => void): () => void {
  const timer = setTimeout(action, ms);
  return () => clearTimeout(timer);
}

/** Returns a function that returns true once `ms` milliseconds have passed. */
export function limit(ms: number): () => boolean {
  const end = performance.now() + ms;
  return () => performance.now() >= end;
}

/** Functions with different results in each run: object, property, and name for messages. */
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
 * Replaces each source by a proxy that calls `onUse` if a task is running, and then calls the
 * source. The returned function restores the sources.
 */
export function watch(onUse: (name: string) => void): () => void {
  const undo = NONDETERMINISTIC_SOURCES.map(([object, key, name]) => {
    const own = Object.getOwnPropertyDescriptor(object, key);
    const value = watched(Reflect.get(object, key) as object, name, onUse);
    Object.defineProperty(object, key, { value, configurable: true, writable: true });
    return () => {
      if (own === undefined) Reflect.deleteProperty(object, key);
      else Object.defineProperty(object, key, own);
    };
  });
  return () => {
    for (const restore of undo) restore();
  };
}

function watched(source: object, name: string, onUse: (name: string) => void): object {
  const note = (): void => {
    if (current.task !== null) onUse(`${name} (by task '${current.task.name}')`);
  };
  return new Proxy(source, {
    apply(target, self: unknown, args: unknown[]): unknown {
      note();
      return Reflect.apply(target as () => unknown, self, args);
    },
    construct(target, args: unknown[], made): object {
      // A Date of a given time is deterministic.
      if (args.length === 0) note();
      return Reflect.construct(target as DateConstructor, args, made) as object;
    },
  });
}

/** Returns '' if the file does not exist. */
export function readText(path: string | URL): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return '';
    throw error;
  }
}

/** Appends to a file. A short text is appended atomically, also while other processes append. */
export function appendText(path: string | URL, text: string): void {
  mkdirSync(dirname(typeof path === 'string' ? path : fileURLToPath(path)), { recursive: true });
  appendFileSync(path, text);
}
