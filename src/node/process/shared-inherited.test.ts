import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import type { ListenOptions, Server } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { boundByNode, shareInherited } from './shared-listeners.ts';

const folder = mkdtempSync(join(tmpdir(), 'coronet-'));
const open: { close(): void }[] = [];

afterEach(() => {
  for (const each of open.splice(0)) each.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a listener and returns its descriptor. */
async function listening(options: ListenOptions): Promise<{ server: Server; fd: number }> {
  const server = createServer().listen(options);
  open.push(server);
  await once(server, 'listening');
  return { server, fd: (server as unknown as { _handle: { fd: number } })._handle.fd };
}

function portOf(server: Server): number {
  return (server.address() as { port: number }).port;
}

describe.skipIf(process.platform === 'win32')('an inherited listener that is passed on', () => {
  for (const [host, family] of [
    ['127.0.0.1', 4],
    ['::1', 6],
  ] as const) {
    test(`reports its address ${host}`, async () => {
      const { server, fd } = await listening({ host, port: 0 });
      const port = portOf(server);
      const shared = shareInherited(fd);
      expect(shared.local).toEqual({ host, port, family });
      expect(shared.descriptors).toEqual([fd]);
      expect(boundByNode(fd)).toEqual({ host, port, family });
    });
  }

  test('stays open when the shared listener is closed', async () => {
    const { server, fd } = await listening({ host: '127.0.0.1', port: 0 });
    const port = portOf(server);
    shareInherited(fd).close();
    expect(shareInherited(fd).local).toMatchObject({ port });
  });

  test('reports the path of its Unix socket, if the system shows it', async () => {
    const path = join(folder, 'x.sock');
    const { fd } = await listening({ path });
    const known = process.platform === 'linux';
    expect(shareInherited(fd).local).toEqual({ path: known ? path : '' });
    expect(boundByNode(fd)).toEqual({ path: '' });
  });

  test('is rejected if the descriptor is not open, or is a file', () => {
    const file = openSync(fileURLToPath(import.meta.url), 'r');
    expect(() => shareInherited(99_999)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(() => shareInherited(file)).toThrow(expect.objectContaining({ code: 'ENOTSOCK' }));
    closeSync(file); // Throws if it is already closed.
  });

  test.runIf(process.platform === 'linux')('is rejected if it does not listen', async () => {
    const { server } = await listening({ host: '127.0.0.1', port: 0 });
    const datagrams = createSocket('udp4');
    open.push(datagrams);
    datagrams.bind(portOf(server), '127.0.0.1');
    await once(datagrams, 'listening');
    const symbol = Object.getOwnPropertySymbols(datagrams).find(({ description }) => {
      return description === 'state symbol';
    }) as symbol;
    const state = (datagrams as unknown as Record<symbol, { handle: { fd: number } }>)[symbol];
    const fd = state?.handle.fd as number;
    expect(() => shareInherited(fd)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });
});
