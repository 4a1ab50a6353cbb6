import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ListenOptions, Operation } from '../../../src/index.ts';
import { connect, listen } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { echo, failure, receiveAll, withoutPrivilege, withPair } from '../../support/sockets.ts';

// The files of these cases are on disk; src/sim/network/stream/unix-stream.test.ts has simulated
// ones.
for (const backend of backends.filter(({ real }) => real)) {
  describe(`Unix sockets on ${backend.name}`, () => {
    let folder = '';
    let barred = '';
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'coronet-'));
      chmodSync(folder, 0o755);
      barred = join(folder, 'barred');
      mkdirSync(barred, { mode: 0o555 });
    });
    afterAll(() => rmSync(folder, { recursive: true }));
    expectNothingLeft(backend);

    it('a Unix socket carries bytes both ways and has a path for an address', () => {
      const path = join(folder, 'echo.sock');
      return backend.run(() =>
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
      return backend.run(function* (): Operation<void> {
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
      return backend.run(function* (): Operation<void> {
        const path = join(folder, 'file');
        writeFileSync(path, 'precious');
        expect(yield* failure(() => listen(path))).toMatchObject({ code: 'EADDRINUSE' });
        expect(yield* failure(() => connect(path))).toMatchObject({ code: 'ECONNREFUSED' });
        expect(readFileSync(path, 'utf8')).toBe('precious');
      });
    });

    it('the path of a live Unix socket fails with EADDRINUSE', () => {
      return backend.run(function* (): Operation<void> {
        const path = join(folder, 'live.sock');
        using listener = yield* listen(path);
        const error = yield* failure(() => listen(path));
        expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', address: path });
        expect(listener.closed).toBe(false);
        expect(existsSync(path)).toBe(true);
      });
    });

    it('a folder in which one may not write is refused with EACCES', () => {
      return backend.run(() =>
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
      return backend.run(function* (): Operation<void> {
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

    it('an abstract name carries bytes both ways and leaves no file', () => {
      const name = `coronet-${process.pid}-${backend.name}`;
      return backend.run(function* (): Operation<void> {
        if (!backend.capabilities.abstractNames) return yield* refusesAbstract(`@${name}`);
        yield* withPair(function* (near, far): Operation<void> {
          expect(`${near.remoteAddress}`).toBe(`@${name}`);
          expect(near.remoteAddress).toMatchObject({ family: 'unix', path: `\0${name}` });
          expect(`${far.localAddress}`).toBe(`@${name}`);
          if (process.platform === 'linux') expect(boundNames()).toContain(`@${name}`);
          yield* near.sendAll('by name');
          near.shutdown('send');
          yield* echo(far);
          far.close();
          expect(String(yield* receiveAll(near))).toBe('by name');
        }, `@${name}`);
        expect(existsSync(`@${name}`)).toBe(false);
        const error = yield* failure(() => connect({ path: `\0${name}` }));
        expect(error).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect' });
      });
    });

    it('an abstract name is taken while its listener is open, and free at once after', () => {
      return backend.run(function* (): Operation<void> {
        if (!backend.capabilities.abstractNames) return;
        const name = `@coronet-taken-${process.pid}-${backend.name}`;
        for (let round = 0; round < 3; round++) {
          using listener = yield* listen(name);
          expect(`${listener.address}`).toBe(name);
          expect(yield* failure(() => listen(name))).toMatchObject({ code: 'EADDRINUSE' });
        }
      });
    });

    it('the mode of the file is what was asked for, whatever the umask', () => {
      return backend.run(function* (): Operation<void> {
        const path = join(folder, 'mode.sock');
        for (const mode of [0o600, 0o660, 0o777, 0]) {
          using listener = yield* listen(path, { mode });
          expect(statSync(path).mode & 0o777).toBe(mode);
          expect(listener.closed).toBe(false);
        }
      });
    });

    it('who may not write to the file may not connect', () => {
      return backend.run(function* (): Operation<void> {
        const path = join(folder, 'private.sock');
        using listener = yield* listen(path, { mode: 0 });
        yield* withoutPrivilege(function* (): Operation<void> {
          expect(yield* failure(() => connect(path))).toMatchObject({ code: 'EACCES' });
        });
        chmodSync(path, 0o666);
        yield* withoutPrivilege(function* (): Operation<void> {
          (yield* connect(path)).close();
        });
        (yield* listener.accept()).close();
      });
    });

    it('a mode is for files of Unix sockets, and for nothing else', () => {
      return backend.run(function* (): Operation<void> {
        for (const address of ['127.0.0.1:0', '@coronet-no-file', { path: '\0coronet-no-file' }]) {
          expect(() => listen(address, { mode: 0o600 })).toThrow(
            expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
          );
        }
        for (const mode of [-1, 0o1000, 1.5, '600']) {
          const options = { mode } as ListenOptions;
          expect(() => listen('/tmp/x.sock', options)).toThrow(/`mode`.* from 0 to 511/);
        }
      });
    });

    it('a path that is too long is refused with ENAMETOOLONG and the limit', () => {
      return backend.run(function* (): Operation<void> {
        if (process.platform === 'win32') return;
        const long = join(folder, 'x'.repeat(120));
        for (const [syscall, attempt] of [
          ['listen', () => listen(long)],
          ['connect', () => connect(long)],
          ['listen', () => listen({ path: join(folder, 'ä'.repeat(50)) })],
        ] as const) {
          const error = yield* failure(attempt);
          expect(error).toMatchObject({ code: 'ENAMETOOLONG', syscall });
          expect(error.message).toMatch(/up to 10[37] bytes/);
        }
        expect(readdirSync(folder).filter((name) => /xxx|ä/.test(name))).toEqual([]);
      });
    });

    it('the longest path carries bytes under its whole name', () => {
      return backend.run(function* (): Operation<void> {
        const path = `${folder}/`.padEnd(process.platform === 'linux' ? 107 : 103, 'y');
        using listener = yield* listen(path);
        using near = yield* connect(path);
        using far = yield* listener.accept();
        expect(existsSync(path)).toBe(true);
        expect([near.remoteAddress.path, far.localAddress.path]).toEqual([path, path]);
      });
    });

    it('paths from the current directory work in all their forms', () => {
      const before = process.cwd();
      process.chdir(folder);
      return backend
        .run(function* (): Operation<void> {
          const forms = ['./here.sock', { path: 'here.sock' }, { path: '@here' }];
          for (const form of [...forms, `../${basename(folder)}/here.sock`]) {
            using listener = yield* listen(form);
            using near = yield* connect(`${listener.address}`);
            using far = yield* listener.accept();
            expect([near.closed, far.closed]).toEqual([false, false]);
            const name = typeof form === 'string' ? 'here.sock' : form.path;
            expect(readdirSync('.')).toContain(name);
          }
          expect(readdirSync('.').filter((name) => name.includes('here'))).toEqual([]);
        })
        .finally(() => process.chdir(before));
    });

    it('the file goes with its listener also after the current directory has changed', () => {
      const before = process.cwd();
      const elsewhere = join(folder, 'elsewhere');
      mkdirSync(elsewhere);
      return backend
        .run(function* (): Operation<void> {
          process.chdir(elsewhere);
          using other = yield* listen('./moved.sock');
          process.chdir(folder);
          const listener = yield* listen('./moved.sock');
          expect(`${listener.address}`).toBe('./moved.sock');
          process.chdir(elsewhere);
          listener.close();
          expect(existsSync(join(folder, 'moved.sock'))).toBe(false);
          (yield* connect('./moved.sock')).close();
          (yield* other.accept()).close();
        })
        .finally(() => process.chdir(before));
    });

    it('a file that a dead server has left behind is replaced', () => {
      return backend.run(function* (): Operation<void> {
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

/** Where there are none, the error says so and what to do. */
function* refusesAbstract(name: string): Operation<void> {
  for (const attempt of [() => listen(name), () => connect(name)]) {
    const error = yield* failure(attempt);
    expect(error).toMatchObject({ name: 'UsageError', code: 'ERR_UNSUPPORTED' });
    expect(error.message).toContain(`the abstract name ${name}`);
  }
}

/** The names of all Unix sockets, as the system writes them; filled up with NUL bytes is '@@'. */
function boundNames(): string[] {
  const rows = readFileSync('/proc/net/unix', 'utf8').split('\n');
  return rows.map((row) => row.split(' ').at(-1) as string);
}

/** A process binds `path` and is gone without removing it. */
function leaveStale(path: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => {
    process.kill(process.pid, 'SIGKILL');
  })`;
  spawnSync(process.execPath, ['-e', script]);
  expect(existsSync(path)).toBe(true);
}
