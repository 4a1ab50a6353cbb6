import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Addon } from '../../addon.ts';
import { loadAddon } from '../../addon.ts';
import { decideTls } from './engine.ts';

/** An addon in a process that lacks `missing`, or in which no context is found. */
function fakeAddon(missing: string): Addon {
  return { tlsBegin: () => missing, tlsTake: () => undefined } as unknown as Addon;
}

describe('the engine of TLS on epoll', () => {
  afterEach(() => vi.unstubAllEnvs());

  it.runIf(loadAddon().addon !== undefined)('is native if Node exports OpenSSL 3', () => {
    vi.stubEnv('CORONET_TLS', undefined);
    const { engine, reason } = decideTls(loadAddon().addon as Addon);
    expect(engine).toBe('native');
    expect(reason).toMatch(/^OpenSSL 3\./);
  });

  it('is node:tls if Node does not export a function of OpenSSL', () => {
    const reason = 'this Node does not export SSL_new';
    expect(decideTls(fakeAddon('SSL_new'))).toEqual({ engine: 'node', reason });
  });

  it('is node:tls if the contexts of node:tls are not found', () => {
    expect(decideTls(fakeAddon('')).engine).toBe('node');
  });

  it('is node:tls if Node logs the keys of its TLS connections', () => {
    vi.stubEnv('NODE_OPTIONS', '--tls-keylog=keys.txt');
    expect(decideTls(fakeAddon('')).reason).toContain('--tls-keylog');
  });

  it('is the one that CORONET_TLS requests', () => {
    vi.stubEnv('CORONET_TLS', 'node');
    expect(decideTls(fakeAddon(''))).toEqual({ engine: 'node', reason: 'requested' });
    vi.stubEnv('CORONET_TLS', 'native');
    expect(() => decideTls(fakeAddon('SSL_new'))).toThrow(
      expect.objectContaining({
        code: 'ERR_BACKEND',
        message: 'Native TLS is not available: this Node does not export SSL_new',
      }),
    );
    vi.stubEnv('CORONET_TLS', 'openssl');
    expect(() => decideTls(fakeAddon(''))).toThrow(
      "Expected CORONET_TLS to be 'auto', 'native' or 'node', got 'openssl'",
    );
  });
});
