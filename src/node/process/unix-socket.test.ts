/** Which files of Unix listeners are removed, and which are not. */
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SocketFile } from './unix-socket.ts';
import { removeSocketFile, removeStaleFile, socketFileAt } from './unix-socket.ts';

// The runtime does not use the global clock, which fake timers replace.
vi.mock(import('../timers.ts'), async (original) => ({
  ...(await original()),
  wallClock: () => Date.now(),
}));

let folder = '';
let path = '';
const servers: Server[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coronet-files-'));
  path = join(folder, 'a.sock');
});

afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(servers.splice(0).map((server) => new Promise((done) => server.close(done))));
  rmSync(folder, { recursive: true });
});

async function serve(at = path): Promise<SocketFile> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(at, resolve));
  return socketFileAt(at) as SocketFile;
}

/** The name under which a process claims `file`. */
function claimOf(file: SocketFile): string {
  return `${file.path}.${file.inode}.stale`;
}

describe.skipIf(process.platform === 'win32')('the file of a socket', () => {
  it('is identified by its path; other files are not sockets', async () => {
    const file = await serve();
    expect(socketFileAt(path)).toEqual(file);
    writeFileSync(join(folder, 'text'), '');
    const others = [join(folder, 'text'), join(folder, 'none'), '\0abstract'];
    expect(others.map(socketFileAt)).toEqual([undefined, undefined, undefined]);
  });

  it('is removed if its server has exited, and no claim is left', async () => {
    const file = await serve();
    removeStaleFile(file);
    expect(readdirSync(folder)).toEqual([]);
    removeStaleFile(file);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('stays if another file has replaced it, even with the same inode number', async () => {
    for (let round = 0; round < 5; round++) {
      const file = await serve();
      rmSync(path);
      const successor = await serve();
      removeStaleFile(file);
      removeSocketFile(file);
      expect(socketFileAt(path)).toEqual(successor);
      expect(readdirSync(folder)).toEqual(['a.sock']);
      rmSync(path);
    }
  });

  it('stays if it has the same inode number and another time of birth', async () => {
    const file = await serve();
    const elder = { ...file, bornNs: file.bornNs - 1n };
    removeStaleFile(elder);
    removeSocketFile(elder);
    expect(readdirSync(folder)).toEqual(['a.sock']);
  });

  it('stays while another process has a claim on it', async () => {
    const file = await serve();
    linkSync(path, claimOf(file));
    removeStaleFile(file);
    expect(existsSync(path)).toBe(true);
    expect(existsSync(claimOf(file))).toBe(true);
  });

  it('is removed if its claim was left by a killed process', async () => {
    const file = await serve();
    linkSync(path, claimOf(file));
    vi.useFakeTimers({ now: Date.now() + 60_000, toFake: ['Date'] });
    removeStaleFile(file);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.skipIf(process.geteuid?.() !== 0)(
    'is removed also if it belongs to another user',
    async () => {
      const file = await serve();
      chmodSync(folder, 0o777);
      process.seteuid?.(65534);
      try {
        removeStaleFile(file);
      } finally {
        process.seteuid?.(0);
      }
      expect(readdirSync(folder)).toEqual([]);
    },
  );
});
