/**
 * The rules of the house, one per entry: a sentence, and a check that gives each place that breaks
 * it with what to do instead. rules.test.ts proves of every rule that it fires.
 */
import { checkCommentedCode, checkHeader, checkTodos } from './comments.ts';
import { checkImports, checkPurity } from './layers.ts';
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
  /** What is wrong and what to do instead; it is printed behind `path:line`. */
  readonly message: string;
}

export interface Rule {
  readonly sentence: string;
  readonly check: (file: CodeFile) => readonly Finding[];
}

export const rules: readonly Rule[] = [
  { sentence: 'a layer imports only the layers below it', check: checkImports },
  { sentence: 'the pure layers touch nothing of the real world', check: checkPurity },
  { sentence: 'a file has at most 600 lines', check: checkFileLength },
  { sentence: 'a function has at most 70 lines', check: checkFunctions },
  { sentence: 'a line has at most 100 columns', check: checkColumns },
  { sentence: 'a function has at most 4 positional parameters', check: checkParameters },
  { sentence: 'nothing is typed any', check: checkAny },
  { sentence: 'there are no enums', check: checkEnum },
  { sentence: 'there are no namespaces', check: checkNamespace },
  { sentence: 'the library has no default exports', check: checkDefaultExport },
  { sentence: 'constructors declare no properties', check: checkParameterProperties },
  { sentence: 'no error is dropped in silence', check: checkEmptyCatch },
  { sentence: 'no code is commented out', check: checkCommentedCode },
  { sentence: 'what is left to do has a reason', check: checkTodos },
  { sentence: 'a source file opens with a comment that says what it holds', check: checkHeader },
];

/** One finding per line, as compilers print them, so that an editor can jump there. */
export function report(findings: readonly Finding[]): string {
  return findings.map((found) => `${found.path}:${found.line}: ${found.message}`).join('\n');
}
