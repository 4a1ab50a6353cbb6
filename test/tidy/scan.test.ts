import { describe, expect, it } from 'vitest';
import { findFunctions } from './functions.ts';
import { findImports, resolveImport } from './imports.ts';
import { scan } from './scan.ts';

function words(text: string): string[] {
  const { tokens } = scan(text);
  return tokens.filter(({ kind }) => kind === 'word').map((token) => token.text);
}

function kinds(text: string): string[] {
  return scan(text).tokens.map(({ kind }) => kind);
}

function functions(text: string): unknown[] {
  return findFunctions(scan(text)).map(({ name, line, lines }) => [name, line, lines]);
}

describe('scan', () => {
  it('does not return words in strings, templates, regular expressions and comments', () => {
    const text = ['a("in \\" b", \'it\\\'s\'); // c', '/* d */ e(`f ${g} h`, /i[/"]j/u);'].join(
      '\n',
    );
    expect(words(text)).toEqual(['a', 'e', 'g']);
  });

  it('scans templates in templates and objects in substitutions', () => {
    expect(words('`a ${b({ c: `d ${e} }` })} f` + g')).toEqual(['b', 'c', 'e', 'g']);
    expect(words('`\\${a} $ {b} $${c}`')).toEqual(['c']);
  });

  it.each([
    ['a / b / c', ['word', 'punctuator', 'word', 'punctuator', 'word']],
    ['x = /b/', ['word', 'punctuator', 'regex']],
    ['return /b/', ['word', 'regex']],
    ['f(a) / b / c', expect.not.arrayContaining(['regex'])],
    ['list[0] / b / c', expect.not.arrayContaining(['regex'])],
    ['n++ / b / c', expect.not.arrayContaining(['regex'])],
    ['`a` / b / c', expect.not.arrayContaining(['regex'])],
    ['if (a) /b/.test(c)', expect.arrayContaining(['regex'])],
    ['`${/b/.source}`', ['template', 'regex', 'punctuator', 'word', 'template']],
  ])('distinguishes regular expressions and divisions: %s', (text, expected) => {
    expect(kinds(text)).toEqual(expected);
  });

  it('counts the lines of tokens and comments', () => {
    const { tokens, comments } = scan('a\n/** one\n two */\n`x\ny` b // c');
    expect(tokens.map(({ line, endLine }) => [line, endLine])).toEqual([
      [1, 1],
      [4, 5],
      [5, 5],
    ]);
    expect(comments.map(({ kind, line }) => [kind, line])).toEqual([
      ['doc', 2],
      ['line', 5],
    ]);
  });

  it('marks the comments before the first token', () => {
    const { comments } = scan('#!/usr/bin/env node\n// before\nx; // after');
    expect(comments.map(({ leads }) => leads)).toEqual([true, false]);
  });

  it('pairs brackets and finds the bracket around each token', () => {
    const { tokens, partner, enclosing } = scan('f(a[`${b}`])');
    expect(tokens.map(({ text }) => text)).toEqual([
      'f',
      '(',
      'a',
      '[',
      '`${',
      'b',
      '}`',
      ']',
      ')',
    ]);
    expect(partner).toEqual([-1, 8, -1, 7, 6, -1, 4, 3, 1]);
    expect(enclosing).toEqual([-1, -1, 1, 1, 3, 4, 3, 1, -1]);
  });

  it.each(['f(', 'f)', 'f(]', "'open", '`open', '/* open'])(
    'throws for invalid text: %s',
    (text) => {
      expect(() => scan(text)).toThrow(/Cannot scan line 1/);
    },
  );

  it('skips C directives and scans C character literals', () => {
    const { tokens } = scan("#define A(x) \\\n  if (x) {\nchar c = '\"';", 'c');
    expect(tokens.map(({ text }) => text)).toEqual(['char', 'c', '=', "'\"'", ';']);
    expect(tokens[0]?.line).toBe(3);
  });
});

describe('findFunctions', () => {
  it.each([
    ['function f() {\n}', 'f', 2],
    ['export async function* f<T extends A<B>>(): C {\n}', 'f', 2],
    ['class A {\n  static #f(): { a: number } {\n  }\n}', '#f', 2],
    ['class A { get f(): string[] | undefined {\n  } }', 'f', 2],
    ['class A { *[Symbol.iterator](): Iterator<Wait, T, unknown> {\n  } }', 'a function', 2],
    ['class A { f(): asserts x is B.C {\n  } }', 'f', 2],
    ['class A { f(): (x: number) => void {\n  } }', 'f', 2],
    ['const f = (a: A): a is B => {\n};', 'f', 2],
    ['const f = async (a) =>\n  g(a, {\n  });', 'f', 3],
    ['const a = { f: () => {\n  } };', 'f', 2],
    ['const f = function () {\n};', 'f', 2],
    ['return (a) => {\n};', 'a function', 2],
    ['f(async () => {\n});', 'the callback of f', 2],
    ['o.for(() => {\n});', 'the callback of o', 2],
  ])('finds the function in %j', (text, name, lines) => {
    const found = findFunctions(scan(text)).filter((each) => each.lines > 1);
    expect(found.map((each) => [each.name, each.lines])).toEqual([[name, lines]]);
  });

  it.each([
    'if (a) {\n}',
    'for await (const a of b) {\n}',
    'switch (a) {\n}',
    'try { a(); } catch (b) {\n}',
    'class A extends mixin(B) {\n}',
    'a ? f(b) : { c: 1 };',
    'interface A { f(a: B): C; }',
  ])('finds no function in %j', (text) => {
    expect(functions(text)).toEqual([]);
  });

  it('finds all functions, including nested ones', () => {
    const text = 'function f() {\n  const g = () => {\n  };\n}\nfunction h() {}';
    expect(functions(text)).toEqual([
      ['f', 1, 4],
      ['g', 2, 2],
      ['h', 5, 1],
    ]);
  });

  it('does not count the lines of a nested test for the function around it', () => {
    const test = "  it('works', () => {\n    a();\n  });\n";
    const text = `function suite() {\n  describe.each(b)('c', () => {\n${test}${test}  });\n}`;
    const found = findFunctions(scan(text));
    expect(found.map(({ lines, isSuite }) => [lines, isSuite])).toEqual([
      [2, false],
      [2, true],
      [3, false],
      [3, false],
    ]);
  });

  it.each([
    ['function f() {}', 0],
    ['function f(a, b: Map<C, D>, { e, g }: H = {}, ...i: [J, K]) {}', 4],
    ['function f(this: A, b: (c: D, e: F) => G,) {}', 1],
    ['const f = (a = [1, 2], b = g(3, 4)) => a;', 2],
  ])('counts the parameters of %j', (text, parameters) => {
    expect(findFunctions(scan(text)).at(0)?.parameters).toBe(parameters);
  });

  it('finds C functions, but not C prototypes or calls', () => {
    const text = 'static int f(int a);\nstatic int f(int a)\n{\n  if (g(a)) { return 1; }\n}';
    const found = findFunctions(scan(text, 'c'), 'c');
    expect(found.map(({ name, line, lines }) => [name, line, lines])).toEqual([['f', 2, 4]]);
  });
});

describe('findImports', () => {
  it.each([
    ["import { a } from './b.ts';", './b.ts', false],
    ["import './b.ts';", './b.ts', false],
    ["import type { A } from './b.ts';", './b.ts', true],
    ["import type A from './b.ts';", './b.ts', true],
    ["import { type A } from './b.ts';", './b.ts', false],
    ["export * from './b.ts';", './b.ts', false],
    ["export * as c from './b.ts';", './b.ts', false],
    ["export { a } from './b.ts';", './b.ts', false],
    ["export type { A } from './b.ts';", './b.ts', true],
    ["const a = await import('./b.ts');", './b.ts', false],
    ["new Worker(new URL('./b.js', import.meta.url));", './b.js', false],
  ])('finds the import in %s', (text, specifier, typeOnly) => {
    expect(findImports(scan(text))).toEqual([{ specifier, typeOnly, line: 1 }]);
  });

  it.each([
    "import.meta.url + './b.ts';",
    "export const a = './b.ts';",
    "export type A = './b.ts';",
    "export { a };\nconst from = './b.ts';",
    "a.import('./b.ts');",
    "new URL('tcp://localhost');",
    "// import './b.ts';",
  ])('finds no import in %s', (text) => {
    expect(findImports(scan(text))).toEqual([]);
  });

  it('finds the file of a relative specifier (resolveImport)', () => {
    expect(resolveImport('src/net/a.ts', '../kernel/b.ts')).toBe('src/kernel/b.ts');
    expect(resolveImport('src/net/a.ts', './b.js')).toBe('src/net/b.ts');
  });
});
