/** A rule that cannot fail protects nothing: each one is shown bad code here, and good code. */
import { describe, expect, it } from 'vitest';
import { findDeadFiles, findPrivatePlaces } from './project.ts';
import { report, rules } from './rules.ts';
import { parse } from './tree.ts';

interface Sample {
  readonly rule: string;
  readonly path?: string;
  readonly text: string;
}

const header = '/** What it holds. */\n';

function findingsOf({ rule, path = 'src/net/sample.ts', text }: Sample): string {
  const found = rules.find(({ sentence }) => sentence === rule);
  if (found === undefined) throw new Error(`there is no rule '${rule}'`);
  return report(found.check(parse({ path, text })));
}

function titleOf({ rule, text, path = '' }: Sample): string {
  return `${rule}: ${JSON.stringify(text).slice(0, 60)} ${path}`;
}

function functionOf(lines: number): string {
  return `function f() {\n${'  a();\n'.repeat(lines - 2)}}\n`;
}

const imports = 'a layer imports only the layers below it';
const purity = 'the pure layers touch nothing of the real world';
const columns = 'a line has at most 100 columns';
const length = 'a function has at most 70 lines';
const size = 'a file has at most 600 lines';
const parameters = 'a function has at most 4 positional parameters';
const untyped = 'nothing is typed any';
const enums = 'there are no enums';
const namespaces = 'there are no namespaces';
const defaults = 'the library has no default exports';
const properties = 'constructors declare no properties';
const silence = 'no error is dropped in silence';
const code = 'no code is commented out';
const todo = 'what is left to do has a reason';
const opening = 'a source file opens with a comment that says what it holds';

const bad: readonly (Sample & { readonly says: string })[] = [
  {
    rule: imports,
    path: 'src/kernel/a.ts',
    text: "\nimport { b } from '../flow/b.ts';",
    says: 'src/kernel/a.ts:2: kernel/ must not import flow/: it may use support',
  },
  {
    rule: imports,
    path: 'src/flow/a.ts',
    text: "export type { B } from '../net/b.ts';",
    says: 'flow/ must not import net/: it may use support, kernel',
  },
  {
    rule: imports,
    path: 'src/world/a.ts',
    text: "import { B } from '../kernel/b.ts';",
    says: 'world/ may import types of kernel/ only: write `import type … from`',
  },
  {
    rule: imports,
    path: 'src/sim/a.ts',
    text: "import { B } from '../net/b.ts';",
    says: 'sim/ may import types of net/ only',
  },
  {
    rule: imports,
    path: 'src/net/a.ts',
    text: "import '../node/b.ts';",
    says: 'net/ must not import node/: it may use support, kernel, flow, world',
  },
  {
    rule: imports,
    path: 'src/server/a.ts',
    text: "await import('../sim/b.ts');",
    says: 'server/ must not import sim/',
  },
  {
    rule: imports,
    path: 'src/node/a.ts',
    text: "import { b } from '../net/b.ts';",
    says: 'node/ must not import net/: it may use support, kernel, world, node:*',
  },
  {
    rule: imports,
    path: 'src/interop/a.ts',
    text: "import { b } from '../world/b.ts';",
    says: 'interop/ may import types of world/ only',
  },
  {
    rule: imports,
    path: 'src/interop/a.ts',
    text: "import { b } from '../server/b.ts';",
    says: 'interop/ must not import server/',
  },
  {
    rule: imports,
    path: 'src/net/a.ts',
    text: "import type { Socket } from 'node:net';",
    says: 'net/ must not import node:net: ask the Host, Network or Platform (world/)',
  },
  {
    rule: imports,
    path: 'src/cli/a.ts',
    text: "import pad from 'left-pad';",
    says: "must not import the package 'left-pad'",
  },
  {
    rule: imports,
    path: 'src/net/a.ts',
    text: "import { b } from '../index.ts';",
    says: 'must not import src/index.ts',
  },
  {
    rule: imports,
    path: 'src/net/a.ts',
    text: "import { b } from './b.test.ts';",
    says: 'must not import the test src/net/b.test.ts',
  },
  { rule: imports, path: 'src/misc/a.ts', text: 'a();', says: 'belongs to no layer' },
  { rule: imports, path: 'src/other.ts', text: 'a();', says: 'belongs to no layer' },
  ...['Date.now()', 'new Date()', 'performance.now()', 'setTimeout(f, 1)', 'setInterval(f, 1)']
    .concat('setImmediate(f)', 'queueMicrotask(f)', 'process.env', 'globalThis.process')
    .concat('const { process } = globalThis', 'Math.random()', 'globalThis.Math.random()')
    .map((text) => ({
      rule: purity,
      path: 'src/net/a.ts',
      text,
      says: 'src/net/a.ts:1: must not',
    })),
  ...'kernel flow world net server sim'.split(' ').map((layer) => ({
    rule: purity,
    path: `src/${layer}/a.ts`,
    text: 'a(Date.now());',
    says: `must not use Date: ask the scheduler for the time: now() (${layer}/ runs in every world)`,
  })),
  {
    rule: purity,
    path: 'src/sim/a.ts',
    text: 'Math.sqrt(2);',
    says: 'must not use Math.sqrt: of Math only floor, min, max, imul are exact everywhere',
  },
  {
    rule: purity,
    path: 'src/sim/a.ts',
    text: 'const { log } = Math;',
    says: 'must not use Math as a value',
  },
  { rule: size, text: 'a();\n'.repeat(601), says: 'src/net/sample.ts:601: 601 lines, at most 600' },
  { rule: size, path: 'native/a.c', text: 'int a;\n'.repeat(601), says: '601 lines' },
  { rule: length, text: functionOf(71), says: 'src/net/sample.ts:1: f has 71 lines, at most 70' },
  { rule: length, path: 'native/a.c', text: `int ${functionOf(71).slice(9)}`, says: 'f has 71' },
  {
    rule: length,
    path: 'src/net/a.test.ts',
    text: `it('works', () => {\n${'  a();\n'.repeat(69)}});\n`,
    says: 'the callback of it has 71 lines',
  },
  { rule: columns, text: `a();\n// ${'x'.repeat(98)}`, says: 'sample.ts:2: 101 columns, at most' },
  {
    rule: parameters,
    text: 'class A {\n  f(a, b, c, d, e) {}\n}',
    says: 'src/net/sample.ts:2: f has 5 parameters, at most 4',
  },
  { rule: parameters, text: 'const f = (a, b, c, d, e) => a;', says: 'f has 5 parameters' },
  {
    rule: parameters,
    path: 'native/a.c',
    text: 'int f(A a, B b, C c, D d, E e) {}',
    says: 'f has 5',
  },
  ...['let a: any;', 'f<any>()', 'a as any', 'let a: any[];', 'type A = any;', 'let a: B | any;']
    .concat('let a: Map<string, any>;', 'type A = (b: C) => any;')
    .map((text) => ({ rule: untyped, text, says: 'any: name the type, or take `unknown`' })),
  { rule: enums, text: '\nenum A { B }', says: 'src/net/sample.ts:2: enum: write a union' },
  { rule: enums, text: 'export const enum A { B }', says: 'enum: write a union' },
  { rule: namespaces, text: 'namespace A {}', says: 'namespace: a file is the namespace' },
  { rule: namespaces, text: 'namespace A.B {}', says: 'namespace: a file is the namespace' },
  { rule: namespaces, text: "declare module 'a' {}", says: 'namespace: a file is the namespace' },
  { rule: defaults, text: 'export default f;', says: 'default export: export it under its name' },
  { rule: defaults, text: 'export { f as default };', says: 'default export' },
  {
    rule: properties,
    text: 'class A {\n  constructor(a: B, private readonly c: D) {}\n}',
    says: 'src/net/sample.ts:2: parameter property: declare the field',
  },
  { rule: silence, text: 'try { a(); }\ncatch {}', says: 'sample.ts:2: empty catch: say why' },
  { rule: silence, text: 'try { a(); } catch (b) {\n}', says: 'empty catch: say why' },
  ...['// const a = f(1);', '// if (a) return;', '// return a;', '// a.b = c;', '// a.b(c);']
    .concat('// } else {', '// }', '/* f();\n   g(); */', "// import { a } from './b.ts';")
    .concat('// function f() {', '// await a;', '// for (const a of b) {')
    .map((text) => ({ rule: code, text, says: 'sample.ts:1: looks like code in a comment' })),
  { rule: todo, text: 'a();\n// FIXME: broken', says: 'src/net/sample.ts:2: FIXME: repair it now' },
  {
    rule: todo,
    text: '/**\n * TODO: more\n */',
    says: 'src/net/sample.ts:2: a TODO without a reas',
  },
  { rule: todo, text: '// TODO(): more', says: 'a TODO without a reason' },
  { rule: opening, text: "import { a } from './b.ts';", says: 'sample.ts:1: no header comment' },
  { rule: opening, text: 'a(); // late', says: 'no header comment' },
  { rule: opening, path: 'native/a.c', text: 'int a;', says: 'no header comment' },
];

const good: readonly Sample[] = [
  { rule: imports, path: 'src/flow/a.ts', text: "import { b } from '../kernel/b.ts';" },
  { rule: imports, path: 'src/world/a.ts', text: "import type { B } from '../kernel/b.ts';" },
  { rule: imports, path: 'src/world/a.ts', text: "import type { B } from './b.ts';" },
  { rule: imports, path: 'src/sim/a.ts', text: "import type { B } from '../net/b.ts';" },
  { rule: imports, path: 'src/node/a.ts', text: "import { b } from 'node:net';" },
  { rule: imports, path: 'src/cli/a.ts', text: "import { b } from '../sim/b.ts';" },
  { rule: imports, path: 'src/index.ts', text: "export { b } from './node/b.ts';" },
  { rule: imports, path: 'src/lowlevel.ts', text: "export { b } from './sim/b.ts';" },
  { rule: imports, path: 'src/kernel/a.test.ts', text: "import { it } from 'vitest';" },
  {
    rule: purity,
    path: 'src/net/a.ts',
    text: 'host.setTimeout(f, 1); a?.process; Buffer.from(b);',
  },
  { rule: purity, path: 'src/net/a.ts', text: 'const a = { process: 1 }; Math.ceil(2); // Date' },
  { rule: purity, path: 'src/sim/a.ts', text: 'Math.floor(Math.min(Math.max(Math.imul(a, b))));' },
  { rule: purity, path: 'src/node/a.ts', text: 'setTimeout(f, Date.now() + Math.random());' },
  { rule: purity, path: 'src/net/a.test.ts', text: 'Date.now();' },
  { rule: size, text: 'a();\n'.repeat(600) },
  { rule: length, text: functionOf(70) },
  { rule: length, text: `describe('a', () => {\n${"  it('b', () => {});\n".repeat(80)}});` },
  { rule: columns, text: `// ${'ä'.repeat(97)}` },
  { rule: parameters, text: 'function f(this: A, a, b, c, d = [1, 2]) {}' },
  { rule: untyped, text: "import { any } from './b.ts'; export function any() {} yield* any([]);" },
  { rule: untyped, text: 'const a = { all, any }; const b = { any: all }; b.any; // any' },
  { rule: enums, text: 'a.enum; const b = { enum: 1 };' },
  { rule: namespaces, text: 'workers(n, module); const namespace = { a };' },
  { rule: defaults, text: 'switch (a) { default: }' },
  { rule: defaults, path: 'vitest.config.ts', text: 'export default config;' },
  { rule: defaults, text: "import { default as a } from './b.ts';" },
  {
    rule: properties,
    text: 'class A { readonly b: B; constructor(b: readonly B[], readonly: C) {} }',
  },
  { rule: silence, text: 'try { a(); } catch {\n  // It has ended by itself.\n}' },
  { rule: silence, text: 'try { a(); } catch (b) { c(b); } p.catch(() => {});' },
  { rule: code, text: '// Return early; the queue is empty (see above).\n// if it has one;' },
  { rule: code, text: '// The call close() wakes everybody;\n// x = 1 holds here' },
  { rule: code, text: '/**\n * const a = f(1);\n */' },
  { rule: todo, text: '// TODO(Node 26 has no such call): ask again\n// todo' },
  { rule: todo, text: "const TODO = 'FIXME';" },
  { rule: opening, text: `${header}import { a } from './b.ts';` },
  { rule: opening, text: `#!/usr/bin/env node\n${header}a();` },
  { rule: opening, path: 'src/index.ts', text: "export { a } from './b.ts';" },
];

describe('every rule', () => {
  it('is shown bad code and good code here', () => {
    const sentences = rules.map(({ sentence }) => sentence);
    expect(new Set(bad.map(({ rule }) => rule))).toEqual(new Set(sentences));
    expect(new Set(good.map(({ rule }) => rule))).toEqual(new Set(sentences));
  });
});

describe('a rule fires:', () => {
  for (const { says, ...sample } of bad) {
    it(titleOf(sample), () => {
      expect(findingsOf(sample)).toContain(says);
    });
  }
});

describe('a rule lets pass:', () => {
  for (const sample of good) {
    it(titleOf(sample), () => {
      expect(findingsOf(sample)).toBe('');
    });
  }
});

describe('the rule about dead files', () => {
  const entries = [
    { path: 'src/index.ts', text: "export { a } from './net/a.ts';" },
    { path: 'src/lowlevel.ts', text: "export type { B } from './net/b.ts';" },
    { path: 'src/sim.ts', text: "export { d } from './sim/d.ts';" },
    { path: 'src/cli/main.ts', text: "await import('./late.ts');" },
  ];
  const reached = ['src/net/a.ts', 'src/net/b.ts', 'src/sim/d.ts', 'src/cli/late.ts'];
  const live = [...entries, ...reached.map((path) => ({ path, text: '' }))];
  const tested = { path: 'src/net/c.test.ts', text: "import './c.ts';" };

  it('lets pass what an entry leads to, and tests', () => {
    expect(findDeadFiles([...live, tested].map(parse))).toEqual([]);
  });

  it('names a file that only a test imports', () => {
    const files = [...live, tested, { path: 'src/net/c.ts', text: '' }];
    expect(report(findDeadFiles(files.map(parse)))).toContain(
      'src/net/c.ts:1: no import leads here',
    );
  });

  it('names an entry that is missing', () => {
    expect(report(findDeadFiles(live.slice(1).map(parse)))).toContain('src/index.ts:1: is missing');
  });
});

describe('the rule about private places', () => {
  // Built from pieces, so that this file itself names no such place.
  const path = (...names: string[]): string => ['', ...names].join('/');

  it.each([
    path('home', 'ada', 'coronet'),
    `see ${path('Users', 'ada')}`,
    `cd ${path('root', 'coronet')}`,
    `'${path('opt', 'a', 'node_modules', '.bin', 'tsc')}'`,
    ['C:', 'Users', 'ada'].join('\\'),
    ['registry', 'npmjs', 'org'].join('.'),
    ['https://my-reg', 'istry.example.org'].join(''),
    ['https://npm', 'example', 'org'].join('.').concat(path('artifactory', 'npm')),
  ])('fires at %s', (text) => {
    expect(report(findPrivatePlaces({ path: 'docs/a.md', text: `\n${text}` }))).toMatch(
      /^docs\/a\.md:2: /,
    );
  });

  it.each([
    './home/page',
    'node_modules/.bin',
    '/tmp/x.sock',
    'this.registry.of.sockets',
    'https://example.org/home/page',
  ])('lets pass %s', (text) => {
    expect(findPrivatePlaces({ path: 'docs/a.md', text })).toEqual([]);
  });
});
