/** Checks every file of the project against the rules in test/tidy/. */
import { describe, expect, it } from 'vitest';
import { checkMarkdownLanguage } from './tidy/language.ts';
import { findCrowdedFolders, findDeadFiles, findMachineSpecificPaths } from './tidy/project.ts';
import type { Finding } from './tidy/rules.ts';
import { report, rules } from './tidy/rules.ts';
import { isCode, parse, readTree } from './tidy/tree.ts';

const tree = readTree();
const code = tree.filter(isCode).map(parse);

describe('every file of the project follows a rule:', () => {
  for (const { sentence, check } of rules) {
    it(sentence, () => {
      expectNone(code.flatMap(check));
    });
  }

  it('an entry file imports every source file, directly or indirectly', () => {
    expectNone(findDeadFiles(code));
  });

  it('a folder has at most 16 sources in src/, 18 modules in test/', () => {
    expectNone(findCrowdedFolders(tree));
  });

  it('no path exists on one machine only', () => {
    expectNone(tree.flatMap(findMachineSpecificPaths));
  });

  it('documents use plain technical English', () => {
    expectNone(tree.flatMap(checkMarkdownLanguage));
  });

  it('the check covers sources, tests and scripts', () => {
    const folders = new Set(code.map(({ path }) => path.split('/')[0]));
    expect([...folders]).toEqual(expect.arrayContaining(['src', 'test', 'scripts']));
  });
});

function expectNone(findings: readonly Finding[]): void {
  if (findings.length > 0) expect.fail(`Correct these places:\n${report(findings)}`);
}
