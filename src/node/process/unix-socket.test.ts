/** The files of Unix listeners: which one is removed, and which one never. */
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
  it('is known by its place, and nothing else is', async () => {
    const file = await serve();
    expect(socketFileAt(path)).toEqual(file);
    writeFileSync(join(folder, 'text'), '');
    const others = [join(folder, 'text'), join(folder, 'none'), '\0abstract'];
    expect(others.map(socketFileAt)).toEqual([undefined, undefined, undefined]);
  });

  it('is removed when it was abandoned, and leaves no claim', async () => {
    const file = await serve();
    removeStaleFile(file);
    expect(readdirSync(folder)).toEqual([]);
    removeStaleFile(file);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('stays when another one has taken its place, whatever the number of its inode', async () => {
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

  it('stays with the same inode and another time of birth', async () => {
    const file = await serve();
    const elder = { ...file, bornNs: file.bornNs - 1n };
    removeStaleFile(elder);
    removeSocketFile(elder);
    expect(readdirSync(folder)).toEqual(['a.sock']);
  });

  it('is left to the process that has claimed it', async () => {
    const file = await serve();
    linkSync(path, claimOf(file));
    removeStaleFile(file);
    expect(existsSync(path)).toBe(true);
    expect(existsSync(claimOf(file))).toBe(true);
  });

  it('is removed after all when the claim was forgotten by a process that is no more', async () => {
    const file = await serve();
    linkSync(path, claimOf(file));
    vi.useFakeTimers({ now: Date.now() + 60_000, toFake: ['Date'] });
    removeStaleFile(file);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.skipIf(process.geteuid?.() !== 0)('is removed when it is of another user, too', async () => {
    const file = await serve();
    chmodSync(folder, 0o777);
    process.seteuid?.(65534);
    try {
      removeStaleFile(file);
    } finally {
      process.seteuid?.(0);
    }
    expect(readdirSync(folder)).toEqual([]);
  });
});
