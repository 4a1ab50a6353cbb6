import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Listener, ListenOptions, Operation } from '../../../src/index.ts';
import { connect, listen } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { echo, failure, receiveAll, withoutPrivilege, withPair } from '../../support/sockets.ts';

// These cases use files on disk. src/sim/network/stream/unix-stream.test.ts has simulated ones.
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

    it('a Unix socket carries bytes in both directions and has a path as its address', () => {
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

    it('the file of a Unix socket is removed with its listener', () =>
      backend.run(function* (): Operation<void> {
        const path = join(folder, 'short.sock');
        const listener = yield* listen(path);
        expect(existsSync(path)).toBe(true);
        listener.close();
        expect(existsSync(path)).toBe(false);
        const error = yield* failure(() => connect(path));
        expect(error).toMatchObject({ code: 'ENOENT', syscall: 'connect', address: path });
      }));

    it('a file that is not a socket cannot be connected to and is not replaced', () =>
      backend.run(function* (): Operation<void> {
        const path = join(folder, 'file');
        writeFileSync(path, 'precious');
        expect(yield* failure(() => listen(path))).toMatchObject({ code: 'EADDRINUSE' });
        expect(yield* failure(() => connect(path))).toMatchObject({ code: 'ECONNREFUSED' });
        expect(readFileSync(path, 'utf8')).toBe('precious');
      }));

    it('the path of a running Unix socket fails with EADDRINUSE', () =>
      backend.run(function* (): Operation<void> {
        const path = join(folder, 'live.sock');
        using listener = yield* listen(path);
        const error = yield* failure(() => listen(path));
        expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', address: path });
        expect(listener.closed).toBe(false);
        expect(existsSync(path)).toBe(true);
      }));

    it('a folder without write permission fails with EACCES', () =>
      backend.run(() =>
        withoutPrivilege(function* (): Operation<void> {
          const path = join(barred, 'x.sock');
          expect(yield* failure(() => listen({ path }))).toMatchObject({
            code: 'EACCES',
            errno: -constants.errno.EACCES,
            syscall: 'listen',
            address: path,
          });
        }),
      ));

    it('closing a listener does not remove the file of its successor', () =>
      backend.run(function* (): Operation<void> {
        const path = join(folder, 'handed-over.sock');
        const old = yield* listen(path);
        renameSync(path, `${path}.old`);
        using successor = yield* listen(path);
        old.close();
        using near = yield* connect(path);
        using far = yield* successor.accept();
        expect([existsSync(path), near.closed, far.closed]).toEqual([true, false, false]);
        rmSync(`${path}.old`, { force: true });
      }));

    it.each(['file', 'symbolic link', 'dangling link'])(
      'closing a listener does not remove a %s that has replaced its file',
      (kind) =>
        backend.run(function* (): Operation<void> {
          const path = join(folder, 'replaced.sock');
          const target = join(folder, 'target');
          const listener = yield* listen(path);
          rmSync(path);
          if (kind === 'file') writeFileSync(path, 'precious');
          else symlinkSync(target, path);
          if (kind === 'symbolic link') writeFileSync(target, 'precious');
          const before = lstatSync(path).ino;
          listener.close();
          expect(lstatSync(path).ino).toBe(before);
          if (kind !== 'dangling link') expect(readFileSync(path, 'utf8')).toBe('precious');
          rmSync(path);
          rmSync(target, { force: true });
        }),
    );

    it.runIf(process.geteuid?.() === 0)(
      'closing a listener leaves a file of another user in place, and does not throw',
      () =>
        backend.run(function* (): Operation<void> {
          const shared = join(folder, 'shared');
          mkdirSync(shared);
          chmodSync(shared, 0o1777);
          const path = join(shared, 'handed-over.sock');
          let old: Listener | undefined;
          yield* withoutPrivilege(function* (): Operation<void> {
            old = yield* listen(path);
          });
          renameSync(path, `${path}.old`);
          using successor = yield* listen(path);
          yield* withoutPrivilege(function* (): Operation<void> {
            old?.close();
          });
          using near = yield* connect(path);
          using far = yield* successor.accept();
          expect([old?.closed, near.closed, far.closed]).toEqual([true, false, false]);
          expect(readdirSync(shared).sort()).toEqual([basename(path), `${basename(path)}.old`]);
        }),
    );

    it('an abstract name carries bytes in both directions and has no file', () => {
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

    it('an abstract name is in use while its listener is open, and free at once after', () =>
      backend.run(function* (): Operation<void> {
        if (!backend.capabilities.abstractNames) return;
        const name = `@coronet-taken-${process.pid}-${backend.name}`;
        for (let round = 0; round < 3; round++) {
          using listener = yield* listen(name);
          expect(`${listener.address}`).toBe(name);
          expect(yield* failure(() => listen(name))).toMatchObject({ code: 'EADDRINUSE' });
        }
      }));

    it('the file has the requested mode, whatever the umask is', () =>
      backend.run(function* (): Operation<void> {
        const path = join(folder, 'mode.sock');
        for (const mode of [0o600, 0o660, 0o777, 0]) {
          using listener = yield* listen(path, { mode });
          expect(statSync(path).mode & 0o777).toBe(mode);
          expect(listener.closed).toBe(false);
        }
      }));

    it('a process without write permission for the file cannot connect', () =>
      backend.run(function* (): Operation<void> {
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
      }));

    it('`mode` is rejected for anything but the file of a Unix socket', () =>
      backend.run(function* (): Operation<void> {
        for (const address of ['127.0.0.1:0', '@coronet-no-file', { path: '\0coronet-no-file' }]) {
          expect(() => listen(address, { mode: 0o600 })).toThrow(
            expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
          );
        }
        for (const mode of [-1, 0o1000, 1.5, '600']) {
          const options = { mode } as ListenOptions;
          expect(() => listen('/tmp/x.sock', options)).toThrow(/`mode`.* from 0 to 511/);
        }
      }));

    it('a path that is too long fails with ENAMETOOLONG and states the limit', () =>
      backend.run(function* (): Operation<void> {
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
      }));

    it('a path of the maximum length carries bytes', () =>
      backend.run(function* (): Operation<void> {
        const path = `${folder}/`.padEnd(process.platform === 'linux' ? 107 : 103, 'y');
        using listener = yield* listen(path);
        using near = yield* connect(path);
        using far = yield* listener.accept();
        expect(existsSync(path)).toBe(true);
        expect([near.remoteAddress.path, far.localAddress.path]).toEqual([path, path]);
      }));

    it('relative paths work in all their forms', () => {
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

    it('the file is removed with its listener after a change of the current directory', () => {
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

    it('a stale file of a server that has ended is replaced', () =>
      backend.run(function* (): Operation<void> {
        const path = join(folder, 'stale.sock');
        leaveStale(path);
        using listener = yield* listen(path);
        using near = yield* connect(path);
        using far = yield* listener.accept();
        expect([near.closed, far.closed]).toEqual([false, false]);
      }));
  });
}

/** Without abstract names, the error states the reason and the alternative. */
function* refusesAbstract(name: string): Operation<void> {
  for (const attempt of [() => listen(name), () => connect(name)]) {
    const error = yield* failure(attempt);
    expect(error).toMatchObject({ name: 'UsageError', code: 'ERR_UNSUPPORTED' });
    expect(error.message).toContain(`the abstract name ${name}`);
  }
}

/** The names of all Unix sockets. The system writes a NUL byte as '@'. */
function boundNames(): string[] {
  const rows = readFileSync('/proc/net/unix', 'utf8').split('\n');
  return rows.map((row) => row.split(' ').at(-1) as string);
}

/** A process binds `path` and ends without removing it. */
function leaveStale(path: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => {
    process.kill(process.pid, 'SIGKILL');
  })`;
  spawnSync(process.execPath, ['-e', script]);
  expect(existsSync(path)).toBe(true);
}
