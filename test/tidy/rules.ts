/**
 * The rules for single files. A rule is a sentence and a check that returns findings: a place and
 * the correction. rules.test.ts proves that every rule reports a bad sample.
 */
import { checkCommentedCode, checkHeader, checkTodos } from './comments.ts';
import { checkLanguage } from './language.ts';
import { checkImports, checkPurity, checkReplaceable } from './layers.ts';
import { checkColumns, checkFileLength, checkFunctions, checkParameters } from './size.ts';
import {
  checkAny,
  checkDefaultExport,
  checkEmptyCatch,
  checkEnum,
  checkNamespace,
  checkParameterProperties,
} from './syntax.ts';
import type { CodeFile } from './tree.ts';

export interface Finding {
  readonly path: string;
  readonly line: number;
  /** The mistake and its correction, printed after `path:line`. */
  readonly message: string;
}

export interface Rule {
  readonly sentence: string;
  readonly check: (file: CodeFile) => readonly Finding[];
}

export const rules: readonly Rule[] = [
  { sentence: 'a layer imports only the layers below it', check: checkImports },
  {
    sentence: 'the pure layers use no clock, timer, process or random number of Node',
    check: checkPurity,
  },
  {
    sentence: 'the runtime calls no function that a test runner may replace',
    check: checkReplaceable,
  },
  { sentence: 'a file has at most 600 lines', check: checkFileLength },
  { sentence: 'a function has at most 70 lines', check: checkFunctions },
  { sentence: 'a line has at most 100 columns', check: checkColumns },
  { sentence: 'a function has at most 4 positional parameters', check: checkParameters },
  { sentence: 'no type is any', check: checkAny },
  { sentence: 'the code has no enums', check: checkEnum },
  { sentence: 'the code has no namespaces', check: checkNamespace },
  { sentence: 'the library has no default exports', check: checkDefaultExport },
  { sentence: 'constructors have no parameter properties', check: checkParameterProperties },
  { sentence: 'a catch block is not empty, or states the reason', check: checkEmptyCatch },
  { sentence: 'comments contain no code', check: checkCommentedCode },
  { sentence: 'a TODO states its reason', check: checkTodos },
  { sentence: 'a source file begins with a comment that states its contents', check: checkHeader },
  {
    sentence: 'comments, messages and test titles use plain technical English',
    check: checkLanguage,
  },
];

/** One finding per line in the format of compilers, which editors recognize. */
export function report(findings: readonly Finding[]): string {
  return findings.map((found) => `${found.path}:${found.line}: ${found.message}`).join('\n');
}
