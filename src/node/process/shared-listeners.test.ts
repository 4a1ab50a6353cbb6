import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import type { Endpoint } from '../../world/network.ts';
import type { SharedListeners } from '../../world/platform.ts';
import { loadAddon } from '../addon.ts';
import { shareByNode, shareListeners } from './shared-listeners.ts';

const LOOPBACK: Endpoint = { host: '127.0.0.1', port: 0, family: 4 };
const ways: readonly (readonly [name: string, hold: typeof shareListeners])[] = [
  ['as it is done here', shareListeners],
  ['without the addon', (at) => shareByNode(at)],
];

const open: SharedListeners[] = [];
const clients: Socket[] = [];
const folder = mkdtempSync(join(tmpdir(), 'coronet-'));

afterEach(() => {
  for (const held of open.splice(0)) held.close();
  for (const client of clients.splice(0)) client.destroy();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function kept(held: SharedListeners): SharedListeners {
  open.push(held);
  return held;
}

/** Connects: 'connected', or the code of the error. */
function attempt(to: Endpoint): Promise<string> {
  const where = 'path' in to ? { path: to.path } : { host: to.host, port: to.port };
  return new Promise((resolve) => {
    const client = connect(where, () => resolve('connected'));
    client.on('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? 'error'));
    clients.push(client);
  });
}

for (const [name, hold] of ways) {
  describe(`held listeners, ${name}`, () => {
    test('take connections that nobody accepts, until they are closed', async () => {
      const held = kept(hold(LOOPBACK, 3));
      expect(held.local).toMatchObject({ host: '127.0.0.1', port: expect.any(Number) });
      expect('port' in held.local && held.local.port).toBeGreaterThan(0);
      expect(await attempt(held.local)).toBe('connected');
      held.close();
      held.close();
      expect(await attempt(held.local)).toBe('ECONNREFUSED');
    });

    test('at an address that is held already are refused', () => {
      const { local } = kept(hold(LOOPBACK, 2));
      expect(errorOf(() => hold(local, 2)).code).toBe('EADDRINUSE');
      expect(errorOf(() => hold(local, 1)).code).toBe('EADDRINUSE');
    });

    test('at an address of another machine are refused', () => {
      const elsewhere: Endpoint = { host: '203.0.113.77', port: 0, family: 4 };
      expect(errorOf(() => hold(elsewhere, 1)).code).toBe('EADDRNOTAVAIL');
    });

    test.skipIf(process.platform === 'win32')(
      'at a path have one queue, and their file goes with them',
      async () => {
        const path = join(folder, 'held.sock');
        const held = kept(hold({ path }, 4));
        expect(held.descriptors.length).toBe(1);
        expect(await attempt(held.local)).toBe('connected');
        held.close();
        expect(existsSync(path)).toBe(false);
      },
    );
  });
}

test.skipIf(loadAddon().addon === undefined)(
  'with the addon each process has a queue of its own',
  () => {
    const { descriptors } = kept(shareListeners(LOOPBACK, 4));
    expect(new Set(descriptors).size).toBe(4);
  },
);
