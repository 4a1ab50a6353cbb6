import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { directoryCandidates, isPrivate, openDirectory, startTime } from './directory.ts';

const uid = process.geteuid?.();

describe.skipIf(uid === undefined)('the runtime directory', () => {
  const owner = uid as number;
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'coronet-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('is in XDG_RUNTIME_DIR, or else in the folder for temporary files', () => {
    expect(directoryCandidates({ XDG_RUNTIME_DIR: '/run/user/7', TMPDIR: '/t' }, 7)).toEqual([
      '/run/user/7/coronet',
      '/t/coronet-7',
    ]);
    expect(directoryCandidates({ XDG_RUNTIME_DIR: 'relative' }, 7)).toEqual(['/tmp/coronet-7']);
  });

  test('is in the next candidate if its path is too long for a Unix socket', () => {
    const long = join(folder, 'ü'.repeat(45));
    expect(directoryCandidates({ XDG_RUNTIME_DIR: long }, 7)).toEqual(['/tmp/coronet-7']);
    expect(directoryCandidates({ TMPDIR: long }, 7)).toEqual([]);
  });

  test('is created for its owner only', () => {
    const path = openDirectory({ XDG_RUNTIME_DIR: folder }, owner);
    expect(path).toBe(join(folder, 'coronet'));
    expect(statSync(path as string).mode & 0o777).toBe(0o700);
    expect(openDirectory({ XDG_RUNTIME_DIR: folder }, owner)).toBe(path);
  });

  test('is not a link, a directory of others, or one that others can enter or replace', () => {
    const path = join(folder, 'coronet');
    mkdirSync(path, { mode: 0o700 });
    expect(isPrivate(path, owner)).toBe(true);
    expect(isPrivate(path, owner + 1)).toBe(false);
    symlinkSync(path, join(folder, 'link'));
    expect(isPrivate(join(folder, 'link'), owner)).toBe(false);
    chmodSync(path, 0o710);
    expect(isPrivate(path, owner)).toBe(false);
    chmodSync(path, 0o700);
    chmodSync(folder, 0o777);
    expect(isPrivate(path, owner)).toBe(false);
    chmodSync(folder, 0o1777);
    expect(isPrivate(path, owner)).toBe(true);
    expect(isPrivate(join(folder, 'missing'), owner)).toBe(false);
  });

  test('is not created among the files of another user, for example by sudo', () => {
    const environment = { XDG_RUNTIME_DIR: folder, TMPDIR: folder };
    if (owner === 0) chownSync(folder, 1, 1);
    expect(openDirectory(environment, owner === 0 ? 0 : owner + 1)).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('is in the next candidate if the first one cannot be used', () => {
    const environment = { XDG_RUNTIME_DIR: join(folder, 'missing'), TMPDIR: folder };
    expect(openDirectory(environment, owner)).toBe(join(folder, `coronet-${owner}`));
  });
});

test.skipIf(process.platform !== 'linux')('the start time of a process identifies it', () => {
  expect(startTime('self')).toMatch(/^\d+$/);
  expect(startTime(process.pid)).toBe(startTime('self'));
  expect(startTime(2 ** 22 + 1)).toBe('');
});
