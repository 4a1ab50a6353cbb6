/** Rules about syntax: only erasable TypeScript, and no escape from the type checker. */

import type { Finding } from './rules.ts';
import type { Token } from './scan.ts';
import type { CodeFile } from './tree.ts';

/** Tokens that a type may follow. */
const beforeType = new Set([':', '<', '|', '&', 'as', '=>', 'keyof', 'extends', 'satisfies', 'is']);

export function checkAny(file: CodeFile): Finding[] {
  return findTokens(file, 'any', isAnyType, 'any: name the type, or use `unknown` and narrow it');
}

function isAnyType(tokens: readonly Token[], at: number): boolean {
  const before = tokens[at - 1]?.text ?? '';
  const after = tokens[at + 1]?.text ?? '';
  if (after === '(' || after === ':' || after === '.') return false;
  return beforeType.has(before) || after === '>' || (before === '=' && isTypeAlias(tokens, at));
}

/** `type X = any`: `type` is three tokens before `any`. */
function isTypeAlias(tokens: readonly Token[], at: number): boolean {
  return tokens[at - 3]?.text === 'type';
}

export function checkEnum(file: CodeFile): Finding[] {
  return findTokens(
    file,
    'enum',
    (tokens, at) => file.path.endsWith('.ts') && tokens[at + 2]?.text === '{',
    'enum: write a union of string literals or a frozen object of constants',
  );
}

export function checkNamespace(file: CodeFile): Finding[] {
  const message = 'namespace: export from a file instead';
  const isNamespace = (tokens: readonly Token[], at: number): boolean =>
    tokens[at + 1]?.kind !== 'punctuator' && ['{', '.'].includes(tokens[at + 2]?.text ?? '');
  return [
    ...findTokens(file, 'namespace', isNamespace, message),
    ...findTokens(file, 'module', isNamespace, message),
  ];
}

export function checkDefaultExport(file: CodeFile): Finding[] {
  if (!file.path.startsWith('src/')) return [];
  const isExported = (tokens: readonly Token[], at: number): boolean =>
    tokens[at - 1]?.text === 'export' || (tokens[at - 1]?.text === 'as' && isInExport(file, at));
  return findTokens(file, 'default', isExported, 'default export: export it under its name');
}

/** `export { x as default }`. */
function isInExport({ scan }: CodeFile, at: number): boolean {
  return scan.tokens[(scan.enclosing[at] ?? 0) - 1]?.text === 'export';
}

export function checkParameterProperties(file: CodeFile): Finding[] {
  const { scan, path } = file;
  const modifiers = new Set(['public', 'private', 'protected', 'readonly', 'override']);
  return scan.tokens.flatMap((token, at) => {
    const list = scan.enclosing[at] ?? -1;
    const inConstructor = list > 0 && scan.tokens[list - 1]?.text === 'constructor';
    const begins = ['(', ','].includes(scan.tokens[at - 1]?.text ?? '');
    if (!inConstructor || !begins || !modifiers.has(token.text)) return [];
    if (scan.tokens[at + 1]?.kind !== 'word') return [];
    const message = 'parameter property: declare the field and assign it in the constructor';
    return [{ path, line: token.line, message }];
  });
}

/** A `catch` block without statements must contain a comment. */
export function checkEmptyCatch({ path, scan }: CodeFile): Finding[] {
  return scan.tokens.flatMap((token, at) => {
    if (token.text !== 'catch' || token.kind !== 'word') return [];
    const body = scan.tokens[at + 1]?.text === '(' ? (scan.partner[at + 1] ?? at) + 1 : at + 1;
    const isEmpty = scan.tokens[body]?.text === '{' && scan.partner[body] === body + 1;
    const end = scan.tokens[body + 1]?.line ?? 0;
    const isExplained = scan.comments.some(({ line }) => line >= token.line && line <= end);
    if (!isEmpty || isExplained) return [];
    return [{ path, line: token.line, message: 'empty catch: state why the error may be ignored' }];
  });
}

function findTokens(
  { path, scan }: CodeFile,
  word: string,
  matches: (tokens: readonly Token[], at: number) => boolean,
  message: string,
): Finding[] {
  return scan.tokens.flatMap((token, at) => {
    if (token.kind !== 'word' || token.text !== word || !matches(scan.tokens, at)) return [];
    return [{ path, line: token.line, message }];
  });
}
