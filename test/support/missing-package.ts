/** Optional peer dependencies that are not installed. */
import { afterEach, vi } from 'vitest';

/** Until the end of the test, the package `name` is not installed for `requirePeer`. */
export function hidePackage(name: string): void {
  const modules = process.getBuiltinModule('node:module');
  const { createRequire } = modules;
  vi.spyOn(modules, 'createRequire').mockImplementation((url) => {
    return withoutPackage(name, createRequire(url));
  });
}

/** Ends the effect of `hidePackage` after each test. */
export function restorePackages(): void {
  afterEach(() => {
    vi.restoreAllMocks();
  });
}

function withoutPackage(missing: string, load: NodeJS.Require): NodeJS.Require {
  const guarded = (name: string): unknown => {
    if (name !== missing) return load(name);
    throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
  };
  return Object.assign(guarded, load);
}
