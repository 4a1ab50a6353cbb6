/** `coronet explain` as a user types it. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

function coronet(...args: string[]): { out: string; err: string; code: number | null } {
  const { stdout, stderr, status } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
  });
  return { out: stdout, err: stderr, code: status };
}

test('a code is explained, however it is written', () => {
  for (const code of ['ERR_BUSY', 'err_busy']) {
    const { out, code: exit } = coronet('explain', code);
    expect(out).toMatch(/^ERR_BUSY \(BusyError\)\n.*\n\nLikely cause: .*\nWay out: /);
    expect(exit).toBe(0);
  }
});

test('without a code all of them are listed', () => {
  const { out } = coronet('explain');
  expect(out.split('\n').filter((line) => line.startsWith('ERR_')).length).toBeGreaterThan(25);
});

test('with --json a program can read it', () => {
  const one = JSON.parse(coronet('explain', 'ERR_TORN', '--json').out) as { code: string };
  expect(one).toMatchObject({ code: 'ERR_TORN', className: 'TornError' });
  expect(JSON.parse(coronet('explain', '--json').out)).toHaveProperty('ERR_BUSY');
});

test('an unknown code says what may have been meant, and exits with 2', () => {
  const { err, code } = coronet('explain', 'ERR_BUSSY');
  expect(err).toBe("coronet: There is no code 'ERR_BUSSY' in Coronet. Did you mean ERR_BUSY?\n");
  expect(code).toBe(2);
});

test('more than one code is one too many', () => {
  const { err, code } = coronet('explain', 'ERR_BUSY', 'ERR_TORN');
  expect([err, code]).toEqual(["coronet: Expected one code, got 'ERR_TORN' as well.\n", 2]);
});
