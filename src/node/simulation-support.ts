/** Services of the real process for simulations: event loop, timers, files, CORONET_DEBUG. */

import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { current } from '../kernel/current.ts';
import type { RunContexts } from './async-context.ts';
import { createContexts } from './async-context.ts';
import { clearTimeout, now, setImmediate, setTimeout } from './timers.ts';

/** Sources of values that differ from run to run, with their names in messages. */
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

/** The process that this module runs in: the `RealProcess` of simulations. */
export const nodeProcess = {
  yieldToEventLoop(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  },

  setTimer(ms: number, action: () => void): () => void {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },

  deadline(ms: number): () => boolean {
    const end = now() + ms;
    return () => now() >= end;
  },

  /** Replaces each source by a proxy. The returned function restores all of them. */
  watchRealSources(onUse: (name: string) => void): () => void {
    const restores = NONDETERMINISTIC_SOURCES.map(([object, key, name]) => {
      const own = Object.getOwnPropertyDescriptor(object, key);
      const value = watched(Reflect.get(object, key) as object, name, onUse);
      Object.defineProperty(object, key, { value, configurable: true, writable: true });
      return () => {
        if (own === undefined) Reflect.deleteProperty(object, key);
        else Object.defineProperty(object, key, own);
      };
    });
    return () => {
      for (const restore of restores) restore();
    };
  },

  asyncContexts(): RunContexts {
    return createContexts();
  },

  debug(): boolean {
    return process.env['CORONET_DEBUG'] === '1';
  },
};

/** A proxy that calls `onUse` when a task uses `source`, and then forwards the call. */
function watched(source: object, name: string, onUse: (name: string) => void): object {
  const report = (): void => {
    if (current.task !== null) onUse(`${name} (by task '${current.task.name}')`);
  };
  return new Proxy(source, {
    apply(target, self: unknown, args: unknown[]): unknown {
      report();
      return Reflect.apply(target as () => unknown, self, args);
    },
    construct(target, args: unknown[], newTarget): object {
      // `new Date(time)` does not read the clock.
      if (args.length === 0) report();
      return Reflect.construct(target as DateConstructor, args, newTarget) as object;
    },
  });
}

/** The text of a file; '' if the file does not exist. */
export function readText(path: string | URL): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return '';
    throw error;
  }
}

/** Appends to a file with one write, so that short texts of several processes do not mix. */
export function appendText(path: string | URL, text: string): void {
  mkdirSync(dirname(typeof path === 'string' ? path : fileURLToPath(path)), { recursive: true });
  appendFileSync(path, text);
}
