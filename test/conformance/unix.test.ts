import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Operation } from '../../src/index.ts';
import { connect, listen } from '../../src/index.ts';
import {
  echo,
  expectNothingLeft,
  failure,
  receiveAll,
  withoutPrivilege,
  withPair,
} from './support.ts';
import { worlds } from './worlds.ts';

// The files of these cases lie on the disk; src/sim/network/unix.test.ts has those of a simulation.
for (const world of worlds.filter(({ real }) => real)) {
  describe(`Unix sockets on ${world.name}`, () => {
    let folder = '';
    let barred = '';
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'coronet-'));
      chmodSync(folder, 0o755);
      barred = join(folder, 'barred');
      mkdirSync(barred, { mode: 0o555 });
    });
    afterAll(() => rmSync(folder, { recursive: true }));
    expectNothingLeft(world);

    it('a Unix socket carries bytes both ways and has a path for an address', () => {
      const path = join(folder, 'echo.sock');
      return world.run(() =>
        withPair(
          function* (near, far): Operation<void> {
            expect(near.remoteAddress).toMatchObject({ family: 'unix', path, host: '', port: 0 });
            expect(`${near.remoteAddress}`).toBe(path);
            yield* near.sendAll('by path');
            near.shutdown('send');
            yield* echo(far);
            far.close();
            expect(String(yield* receiveAll(near))).toBe('by path');
          },
          { path },
        ),
      );
    });

    it('the file of a Unix socket goes with its listener', () => {
      return world.run(function* (): Operation<void> {
        const path = join(folder, 'short.sock');
        const listener = yield* listen(path);
        expect(existsSync(path)).toBe(true);
        listener.close();
        expect(existsSync(path)).toBe(false);
        const error = yield* failure(() => connect(path));
        expect(error).toMatchObject({ code: 'ENOENT', syscall: 'connect', address: path });
      });
    });

    it('a file that is no socket is neither connected to nor replaced', () => {
      return world.run(function* (): Operation<void> {
        const path = join(folder, 'file');
        writeFileSync(path, 'precious');
        expect(yield* failure(() => listen(path))).toMatchObject({ code: 'EADDRINUSE' });
        expect(yield* failure(() => connect(path))).toMatchObject({ code: 'ECONNREFUSED' });
        expect(readFileSync(path, 'utf8')).toBe('precious');
      });
    });

    it('the path of a live Unix socket fails with EADDRINUSE', () => {
      return world.run(function* (): Operation<void> {
        const path = join(folder, 'live.sock');
        using listener = yield* listen(path);
        const error = yield* failure(() => listen(path));
        expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', address: path });
        expect(listener.closed).toBe(false);
        expect(existsSync(path)).toBe(true);
      });
    });

    it('a folder in which one may not write is refused with EACCES', () => {
      return world.run(() =>
        withoutPrivilege(function* (): Operation<void> {
          const path = join(barred, 'x.sock');
          expect(yield* failure(() => listen({ path }))).toMatchObject({
            code: 'EACCES',
            errno: -constants.errno.EACCES,
            syscall: 'listen',
            address: path,
          });
        }),
      );
    });

    it("the file of a successor stays when its predecessor's listener is closed", () => {
      return world.run(function* (): Operation<void> {
        const path = join(folder, 'handed-over.sock');
        const old = yield* listen(path);
        renameSync(path, `${path}.old`);
        using successor = yield* listen(path);
        old.close();
        using near = yield* connect(path);
        using far = yield* successor.accept();
        expect([existsSync(path), near.closed, far.closed]).toEqual([true, false, false]);
        rmSync(`${path}.old`, { force: true });
      });
    });

    it('a file that a dead server has left behind is replaced', () => {
      return world.run(function* (): Operation<void> {
        const path = join(folder, 'stale.sock');
        leaveStale(path);
        using listener = yield* listen(path);
        using near = yield* connect(path);
        using far = yield* listener.accept();
        expect([near.closed, far.closed]).toEqual([false, false]);
      });
    });
  });
}

/** A process binds `path` and is gone without removing it. */
function leaveStale(path: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => {
    process.kill(process.pid, 'SIGKILL');
  })`;
  spawnSync(process.execPath, ['-e', script]);
  expect(existsSync(path)).toBe(true);
}
