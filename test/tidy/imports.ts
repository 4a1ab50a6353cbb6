/** Finds the imports of a scanned file and resolves relative specifiers. */
import { posix } from 'node:path';
import type { Scan, Token } from './scan.ts';

export interface Import {
  readonly specifier: string;
  /** True for `import type` and `export type`, which the compiler erases. */
  readonly typeOnly: boolean;
  readonly line: number;
}

export function findImports(scan: Scan): Import[] {
  return scan.tokens.flatMap((token, at) => {
    if (token.kind !== 'word' || scan.tokens[at - 1]?.text === '.') return [];
    if (token.text === 'import') return importAt(scan.tokens, at) ?? [];
    if (token.text === 'export') return reExportAt(scan, at) ?? [];
    if (token.text === 'URL') return ownModuleAt(scan.tokens, at) ?? [];
    return [];
  });
}

/** The source file that a relative specifier names; `.js` is replaced by `.ts`. */
export function resolveImport(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}

/** `import 'x'`, `import … from 'x'`, `import type … from 'x'` and `import('x')`. */
function importAt(tokens: readonly Token[], at: number): Import | undefined {
  const next = tokens[at + 1];
  if (next === undefined || /^[.:,;=)}]$/.test(next.text)) return undefined;
  if (next.text === '(') return importOf(tokens[at + 2], false);
  if (next.kind === 'string') return importOf(next, false);
  const from = tokens.findIndex((token, index) => index > at && token.kind === 'string');
  return importOf(tokens[from], next.text === 'type' && tokens[at + 2]?.text !== 'from');
}

/** `export { … } from 'x'` and `export * from 'x'`, with or without `type`. */
function reExportAt(scan: Scan, at: number): Import | undefined {
  const { tokens, partner } = scan;
  const typeOnly = tokens[at + 1]?.text === 'type';
  let next = typeOnly ? at + 2 : at + 1;
  if (tokens[next]?.text === '{') next = (partner[next] ?? next) + 1;
  else if (tokens[next]?.text === '*') next += tokens[next + 1]?.text === 'as' ? 3 : 1;
  else return undefined;
  return tokens[next]?.text === 'from' ? importOf(tokens[next + 1], typeOnly) : undefined;
}

/** `new URL('./worker.ts', import.meta.url)`: the entry module of a thread or a process. */
function ownModuleAt(tokens: readonly Token[], at: number): Import | undefined {
  const specifier = tokens[at + 2];
  if (tokens[at + 1]?.text !== '(' || tokens[at + 4]?.text !== 'import') return undefined;
  return specifier !== undefined && /\.[jt]s.$/.test(specifier.text)
    ? importOf(specifier, false)
    : undefined;
}

function importOf(token: Token | undefined, typeOnly: boolean): Import | undefined {
  if (token?.kind !== 'string') return undefined;
  return { specifier: token.text.slice(1, -1), typeOnly, line: token.line };
}
