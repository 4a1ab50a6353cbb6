/** The text of the live page. test/e2e/inspect/live-page.test.ts looks at it in a browser. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { PAGE_SCRIPT, pageHtml, pagePolicy } from './page.ts';

const tsc = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url));

it('the script of the live page has no type errors', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coronet-page-'));
  try {
    const file = join(folder, 'page.js');
    writeFileSync(file, PAGE_SCRIPT);
    const options = [
      ...[tsc, '--noEmit', '--allowJs', '--checkJs', '--strict', 'false', '--target', 'es2022'],
      ...['--lib', 'es2023,dom,dom.iterable', '--types', '', file],
    ];
    const { stdout, status } = spawnSync(process.execPath, options, { cwd: folder });
    expect([String(stdout), status]).toEqual(['', 0]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it('the live page names no other server and contains no inline handlers or styles', () => {
  const html = pageHtml('nonce');
  const withoutNamespace = html.replaceAll('http://www.w3.org/2000/svg', '');
  expect(withoutNamespace).not.toMatch(/\bhttps?:|src=|@import|url\(/);
  expect(html).not.toMatch(/<[^>]*\s(?:on\w+|style)=/);
  expect(html.match(/<script|<style/g)).toHaveLength(2);
  expect(html).not.toMatch(/innerHTML|insertAdjacentHTML|document\.write|\beval\(/);
});

it('the policy of the live page permits its own script, style and data only', () => {
  expect(pagePolicy('abc').split('; ')).toEqual([
    "default-src 'none'",
    "script-src 'nonce-abc'",
    "style-src 'nonce-abc'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ]);
});
