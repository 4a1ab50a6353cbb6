import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FAMILY_UNIX } from './endpoint.ts';

/** Imports the module again each time, because it caches its result. */
async function load() {
  vi.resetModules();
  const { loadAddon } = await import('./addon.ts');
  return loadAddon();
}

const built = new URL('../../native/build/coronet.node', import.meta.url);

describe('loading the addon', () => {
  const versions = Object.getOwnPropertyDescriptor(process, 'versions') as PropertyDescriptor;
  const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor;

  beforeEach(() => vi.stubEnv('CORONET_ADDON', ''));

  afterEach(() => {
    vi.unstubAllEnvs();
    Object.defineProperty(process, 'versions', versions);
    Object.defineProperty(process, 'platform', platform);
  });

  it.each(['bun', 'deno'])(
    'does not load the file on %s, whose libuv is a stub',
    async (runtime) => {
      const value = { ...process.versions, [runtime]: '1.0.0' };
      Object.defineProperty(process, 'versions', { ...versions, value });
      const { addon, reason } = await load();
      expect(addon).toBe(undefined);
      expect(reason.toLowerCase()).toContain(runtime);
    },
  );

  it('does not search for the file on systems other than Linux', async () => {
    Object.defineProperty(process, 'platform', { ...platform, value: 'darwin' });
    const { addon, reason } = await load();
    expect(addon).toBe(undefined);
    expect(reason).toBe('epoll requires Linux, this is darwin');
  });

  it.runIf(process.platform === 'linux')(
    'reports why the file of CORONET_ADDON did not load',
    async () => {
      vi.stubEnv('CORONET_ADDON', '/nonexistent/coronet.node');
      const { addon, reason } = await load();
      expect(addon).toBe(undefined);
      expect(reason).toContain('/nonexistent/coronet.node did not load');
      expect(reason).not.toContain('\n');
    },
  );

  it.runIf(existsSync(built))('finds the build of this checkout', async () => {
    const { addon, reason } = await load();
    expect(addon?.stats).toBeTypeOf('function');
    expect(addon?.constants.FAMILY_UNIX).toBe(FAMILY_UNIX);
    expect(reason).toMatch(/^Loaded from .*native\/build\/coronet\.node$/);
  });

  it('returns the same result at every call', async () => {
    vi.resetModules();
    const { loadAddon } = await import('./addon.ts');
    expect(loadAddon()).toBe(loadAddon());
  });
});
