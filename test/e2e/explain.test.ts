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

test('a code is explained in upper and lower case', () => {
  for (const code of ['ERR_BUSY', 'err_busy']) {
    const { out, code: exit } = coronet('explain', code);
    expect(out).toMatch(
      /^ERR_BUSY \(BusyError\)\n.*\n\nLikely cause: .*\nRemedy: .*\nLook at: .*inspect\.md/,
    );
    expect(exit).toBe(0);
  }
});

test('without a code all codes are listed', () => {
  const { out } = coronet('explain');
  expect(out.split('\n').filter((line) => line.startsWith('ERR_')).length).toBeGreaterThan(25);
});

test('with --json the explanation is JSON', () => {
  const one = JSON.parse(coronet('explain', 'ERR_TORN', '--json').out) as { code: string };
  expect(one).toMatchObject({ code: 'ERR_TORN', className: 'TornError' });
  expect(JSON.parse(coronet('explain', '--json').out)).toHaveProperty('ERR_BUSY');
});

test('an error for an unknown code suggests a similar one; the exit code is 2', () => {
  const { err, code } = coronet('explain', 'ERR_BUSSY');
  expect(err).toBe("coronet: Coronet does not have a code 'ERR_BUSSY'. Did you mean ERR_BUSY?\n");
  expect(code).toBe(2);
});

test('a code without its prefix is suggested, and a code of the system leads to the page', () => {
  for (const typed of ['busy', 'not-driven', 'Not driven']) {
    const code = `ERR_${typed.toUpperCase().replace(/\W/, '_')}`;
    expect(coronet('explain', typed).err).toContain(`Did you mean ${code}?`);
  }
  expect(coronet('explain', 'ECONNRESET').err).toContain('docs/net.md, section "Errors"');
});

test('more than one code is an error', () => {
  const { err, code } = coronet('explain', 'ERR_BUSY', 'ERR_TORN');
  expect([err, code]).toEqual(["coronet: Expected one code, got a second one: 'ERR_TORN'.\n", 2]);
});
