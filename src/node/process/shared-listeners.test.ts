import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import type { Endpoint } from '../../world/network.ts';
import type { SharedListeners } from '../../world/platform.ts';
import { loadAddon } from '../addon.ts';
import { duplicateDescriptor, shareByNode, shareListeners } from './shared-listeners.ts';

const LOOPBACK: Endpoint = { host: '127.0.0.1', port: 0, family: 4 };
const implementations: readonly (readonly [name: string, share: typeof shareListeners])[] = [
  ['by default', shareListeners],
  ['without the addon', (at) => shareByNode(at)],
];

const open: SharedListeners[] = [];
const clients: Socket[] = [];
const folder = mkdtempSync(join(tmpdir(), 'coronet-'));

afterEach(() => {
  for (const shared of open.splice(0)) shared.close();
  for (const client of clients.splice(0)) client.destroy();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function closeLater(shared: SharedListeners): SharedListeners {
  open.push(shared);
  return shared;
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

for (const [name, share] of implementations) {
  describe(`shared listeners, ${name}`, () => {
    test('queue connections until they are closed', async () => {
      const shared = closeLater(share(LOOPBACK, 3));
      expect(shared.local).toMatchObject({ host: '127.0.0.1', port: expect.any(Number) });
      expect('port' in shared.local && shared.local.port).toBeGreaterThan(0);
      expect(await attempt(shared.local)).toBe('connected');
      shared.close();
      shared.close();
      expect(await attempt(shared.local)).toBe('ECONNREFUSED');
    });

    test('fail with EADDRINUSE at an address in use', () => {
      const { local } = closeLater(share(LOOPBACK, 2));
      expect(errorOf(() => share(local, 2)).code).toBe('EADDRINUSE');
      expect(errorOf(() => share(local, 1)).code).toBe('EADDRINUSE');
    });

    test('fail with EADDRNOTAVAIL at an address of another machine', () => {
      const elsewhere: Endpoint = { host: '203.0.113.77', port: 0, family: 4 };
      expect(errorOf(() => share(elsewhere, 1)).code).toBe('EADDRNOTAVAIL');
    });

    test.skipIf(process.platform === 'win32')(
      'at a path have one queue, and their file is removed at close',
      async () => {
        const path = join(folder, 'shared.sock');
        const shared = closeLater(share({ path }, 4));
        expect(shared.descriptors.length).toBe(1);
        expect(await attempt(shared.local)).toBe('connected');
        shared.close();
        expect(existsSync(path)).toBe(false);
      },
    );
  });
}

test.skipIf(loadAddon().addon === undefined)(
  'with the addon each process has its own queue',
  () => {
    const { descriptors, separateQueues } = closeLater(shareListeners(LOOPBACK, 4));
    expect([new Set(descriptors).size, separateQueues]).toEqual([4, true]);
  },
);

test.skipIf(loadAddon().addon === undefined)(
  'with the addon a listener can have a second descriptor, and another file cannot',
  async () => {
    const shared = closeLater(shareListeners(LOOPBACK, 1));
    const [fd = -1] = shared.descriptors;
    const second = duplicateDescriptor(fd) ?? -1;
    expect(second).toBeGreaterThan(fd);
    closeSync(second);
    expect(await attempt(shared.local)).toBe('connected');
    const file = openSync('/dev/null', 'r');
    expect([duplicateDescriptor(file), duplicateDescriptor(-1)]).toEqual([undefined, undefined]);
    closeSync(file);
  },
);
