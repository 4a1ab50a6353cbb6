/** The rules of the house, kept by a test instead of by hope. The rules themselves: test/tidy/. */
import { describe, expect, it } from 'vitest';
import { findDeadFiles, findPrivatePlaces } from './tidy/project.ts';
import type { Finding } from './tidy/rules.ts';
import { report, rules } from './tidy/rules.ts';
import { isCode, parse, readTree } from './tidy/tree.ts';

const tree = readTree();
const code = tree.filter(isCode).map(parse);

describe('the tree is tidy:', () => {
  for (const { sentence, check } of rules) {
    it(sentence, () => {
      expectNone(code.flatMap(check));
    });
  }

  it('every source file is reachable from an entry file', () => {
    expectNone(findDeadFiles(code));
  });

  it('no file names a place that exists on one machine only', () => {
    expectNone(tree.flatMap(findPrivatePlaces));
  });

  it('the rules have seen the source, the tests and the scripts', () => {
    const folders = new Set(code.map(({ path }) => path.split('/')[0]));
    expect([...folders]).toEqual(expect.arrayContaining(['src', 'test', 'scripts']));
  });
});

function expectNone(findings: readonly Finding[]): void {
  if (findings.length > 0) expect.fail(`repair these places\n${report(findings)}`);
}
