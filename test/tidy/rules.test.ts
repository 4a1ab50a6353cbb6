/** Every rule reports the bad samples below and accepts the good ones. */
import { describe, expect, it } from 'vitest';
import { checkMarkdownLanguage } from './language.ts';
import {
  entryFiles,
  findCrowdedFolders,
  findDeadFiles,
  findMachineSpecificPaths,
} from './project.ts';
import { report, rules } from './rules.ts';
import { parse } from './tree.ts';

interface Sample {
  readonly rule: string;
  readonly path?: string;
  readonly text: string;
}

const header = '/** The parts of a file. */\n';

function findingsOf({ rule, path = 'src/net/sample.ts', text }: Sample): string {
  const found = rules.find(({ sentence }) => sentence === rule);
  if (found === undefined) throw new Error(`There is no rule '${rule}'`);
  return report(found.check(parse({ path, text })));
}

function titleOf({ rule, text, path = '' }: Sample): string {
  return `${rule}: ${JSON.stringify(text).slice(0, 60)} ${path}`;
}

function functionOf(lines: number): string {
  return `function f() {\n${'  a();\n'.repeat(lines - 2)}}\n`;
}

const imports = 'a layer imports only the layers below it';
const purity = 'the pure layers use no clock, timer, process or random number of Node';
const replaceable = 'the runtime calls no function that a test runner may replace';
const columns = 'a line has at most 100 columns';
const length = 'a function has at most 70 lines';
const size = 'a file has at most 600 lines';
const parameters = 'a function has at most 4 positional parameters';
const untyped = 'no type is any';
const enums = 'the code has no enums';
const namespaces = 'the code has no namespaces';
const defaults = 'the library has no default exports';
const properties = 'constructors have no parameter properties';
const emptyCatch = 'a catch block is not empty, or states the reason';
const code = 'comments contain no code';
const todo = 'a TODO states its reason';
const opening = 'a source file begins with a comment that states its contents';
const language = 'comments, messages and test titles use plain technical English';

const bad: readonly (Sample & { readonly message: string })[] = [
  {
    rule: imports,
    path: 'src/kernel/a.ts',
    text: "\nimport { b } from '../flow/b.ts';",
    message: 'src/kernel/a.ts:2: kernel/ must not import flow/: it may use support',
  },
  {
    rule: imports,
    path: 'src/flow/a.ts',
    text: "export type { B } from '../net/b.ts';",
    message: 'flow/ must not import net/: it may use support, kernel',
  },
  {
    rule: imports,
    path: 'src/world/a.ts',
    text: "import { B } from '../kernel/b.ts';",
    message: 'world/ may import types of kernel/ only: write `import type … from`',
  },
  {
    rule: imports,
    path: 'src/sim/a.ts',
    text: "import { B } from '../net/b.ts';",
    message: 'sim/ may import types of net/ only',
  },
  {
    rule: imports,
    path: 'src/net/a.ts',
    text: "import '../node/b.ts';",
    message: 'net/ must not import node/: it may use support, kernel, flow, world',
  },
  {
    rule: imports,
    path: 'src/server/a.ts',
    text: "await import('../sim/b.ts');",
    message: 'server/ must not import sim/',
  },
  {
    rule: imports,
    path: 'src/node/a.ts',
    text: "import { b } from '../net/b.ts';",
    message: 'node/ must not import net/: it may use support, kernel, world, inspect, node:*',
  },
  {
    rule: imports,
    path: 'src/interop/a.ts',
    text: "import { b } from '../world/b.ts';",
    message: 'interop/ may import types of world/ only',
  },
  {
    rule: imports,
    path: 'src/interop/a.ts',
    text: "import { b } from '../server/b.ts';",
    message: 'interop/ must not import server/',
  },
  {
    rule: imports,
    path: 'src/net/a.ts',
    text: "import type { Socket } from 'node:net';",
    message: 'net/ must not import node:net: ask the Host, Network or Platform (world/)',
  },
  {
    rule: imports,
    path: 'src/cli/a.ts',
    text: "import pad from 'left-pad';",
    message: "must not import the package 'left-pad'",
  },
  {
    rule: imports,
    path: 'src/net/a.ts',
    text: "import { b } from '../index.ts';",
    message: 'must not import src/index.ts',
  },
  {
    rule: imports,
    path: 'src/net/a.ts',
    text: "import { b } from './b.test.ts';",
    message: 'must not import the test src/net/b.test.ts',
  },
  { rule: imports, path: 'src/misc/a.ts', text: 'a();', message: 'belongs to no layer' },
  { rule: imports, path: 'src/other.ts', text: 'a();', message: 'belongs to no layer' },
  ...['setTimeout(f, 1)', 'process.nextTick(f)', 'process.emitWarning(text)', 'Date.now()'].map(
    (text) => ({
      rule: replaceable,
      path: 'src/node/a.ts',
      text: `b();\n${text};`,
      message: `src/node/a.ts:2: must not call ${text.split('(')[0]}, which a test runner may`,
    }),
  ),
  ...['Date.now()', 'new Date()', 'performance.now()', 'setTimeout(f, 1)', 'setInterval(f, 1)']
    .concat('setImmediate(f)', 'queueMicrotask(f)', 'process.env', 'globalThis.process')
    .concat('const { process } = globalThis', 'Math.random()', 'globalThis.Math.random()')
    .map((text) => ({
      rule: purity,
      path: 'src/net/a.ts',
      text,
      message: 'src/net/a.ts:1: must not',
    })),
  ...'kernel flow world net server sim'.split(' ').map((layer) => ({
    rule: purity,
    path: `src/${layer}/a.ts`,
    text: 'a(Date.now());',
    message: `ask the scheduler for the time: now() (${layer}/ also runs in the simulator)`,
  })),
  {
    rule: purity,
    path: 'src/sim/a.ts',
    text: 'Math.sqrt(2);',
    message: 'must not use Math.sqrt: only floor, min, max, imul are exact on every machine',
  },
  {
    rule: purity,
    path: 'src/sim/a.ts',
    text: 'const { log } = Math;',
    message: 'must not use Math as a value',
  },
  {
    rule: size,
    text: 'a();\n'.repeat(601),
    message: 'src/net/sample.ts:601: 601 lines, at most 600',
  },
  { rule: size, path: 'native/a.c', text: 'int a;\n'.repeat(601), message: '601 lines' },
  {
    rule: length,
    text: functionOf(71),
    message: 'src/net/sample.ts:1: f has 71 lines, at most 70',
  },
  { rule: length, path: 'native/a.c', text: `int ${functionOf(71).slice(9)}`, message: 'f has 71' },
  {
    rule: length,
    path: 'src/net/a.test.ts',
    text: `it('works', () => {\n${'  a();\n'.repeat(69)}});\n`,
    message: 'the callback of it has 71 lines',
  },
  {
    rule: columns,
    text: `a();\n// ${'x'.repeat(98)}`,
    message: 'sample.ts:2: 101 columns, at most',
  },
  {
    rule: parameters,
    text: 'class A {\n  f(a, b, c, d, e) {}\n}',
    message: 'src/net/sample.ts:2: f has 5 parameters, at most 4',
  },
  { rule: parameters, text: 'const f = (a, b, c, d, e) => a;', message: 'f has 5 parameters' },
  {
    rule: parameters,
    path: 'native/a.c',
    text: 'int f(A a, B b, C c, D d, E e) {}',
    message: 'f has 5',
  },
  ...['let a: any;', 'f<any>()', 'a as any', 'let a: any[];', 'type A = any;', 'let a: B | any;']
    .concat('let a: Map<string, any>;', 'type A = (b: C) => any;')
    .map((text) => ({ rule: untyped, text, message: 'any: name the type, or use `unknown`' })),
  { rule: enums, text: '\nenum A { B }', message: 'src/net/sample.ts:2: enum: write a union' },
  { rule: enums, text: 'export const enum A { B }', message: 'enum: write a union' },
  { rule: namespaces, text: 'namespace A {}', message: 'namespace: export from a file' },
  { rule: namespaces, text: 'namespace A.B {}', message: 'namespace: export from a file' },
  { rule: namespaces, text: "declare module 'a' {}", message: 'namespace: export from a file' },
  {
    rule: defaults,
    text: 'export default f;',
    message: 'default export: export it under its name',
  },
  { rule: defaults, text: 'export { f as default };', message: 'default export' },
  {
    rule: properties,
    text: 'class A {\n  constructor(a: B, private readonly c: D) {}\n}',
    message: 'src/net/sample.ts:2: parameter property: declare the field',
  },
  {
    rule: emptyCatch,
    text: 'try { a(); }\ncatch {}',
    message: 'sample.ts:2: empty catch: state why',
  },
  { rule: emptyCatch, text: 'try { a(); } catch (b) {\n}', message: 'empty catch: state why' },
  ...['// const a = f(1);', '// if (a) return;', '// return a;', '// a.b = c;', '// a.b(c);']
    .concat('// } else {', '// }', '/* f();\n   g(); */', "// import { a } from './b.ts';")
    .concat('// function f() {', '// await a;', '// for (const a of b) {')
    .map((text) => ({ rule: code, text, message: 'sample.ts:1: looks like code in a comment' })),
  { rule: todo, text: 'a();\n// FIXME: broken', message: 'src/net/sample.ts:2: FIXME: fix it now' },
  {
    rule: todo,
    text: '/**\n * TODO: more\n */',
    message: 'src/net/sample.ts:2: a TODO without a reas',
  },
  { rule: todo, text: '// TODO(): more', message: 'a TODO without a reason' },
  { rule: opening, text: "import { a } from './b.ts';", message: 'sample.ts:1: no header comment' },
  { rule: opening, text: 'a(); // late', message: 'no header comment' },
  { rule: opening, path: 'native/a.c', text: 'int a;', message: 'no header comment' },
  {
    rule: language,
    text: '\n/** The peer hears nothing. */',
    message: 'src/net/sample.ts:2: "hears": write receive, observe, be notified',
  },
  {
    rule: language,
    text: '/**\n * Sleeps, or waits\n * for ever.\n */',
    message: 'sample.ts:3: "for ever": write indefinitely',
  },
  {
    rule: language,
    text: '/** What a task waits for. */',
    message: 'opens with "What": begin with',
  },
  { rule: language, text: "a('A port is no path');", message: '"is no ": write is not a' },
  {
    rule: language,
    text: 'a(`Waits for ${b}, whoever it is`);',
    message: '"whoever": write name the',
  },
  ...["it('says its name', f);", "it.each(a)('says %s', f);", "it.skipIf(a())('is told', f);"]
    .concat("describe('what it sends', f);")
    .map((text) => ({ rule: language, path: 'src/net/a.test.ts', text, message: 'a.test.ts:1: ' })),
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
  {
    rule: replaceable,
    path: 'src/interop/streams/a.ts',
    text: "import { setTimeout } from '../node/timers.ts';\nsetTimeout(f); a.setTimeout(1);",
  },
  { rule: replaceable, path: 'src/cli/a.ts', text: 'setTimeout(f, 1);' },
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
  { rule: emptyCatch, text: 'try { a(); } catch {\n  // It has ended by itself.\n}' },
  { rule: emptyCatch, text: 'try { a(); } catch (b) { c(b); } p.catch(() => {});' },
  { rule: code, text: '// Return early; the queue is empty (see above).\n// if it has one;' },
  { rule: code, text: '// The call close() wakes every waiter;\n// x = 1 holds here' },
  { rule: code, text: '/**\n * const a = f(1);\n */' },
  { rule: todo, text: '// TODO(Node 26 has no such call): ask again\n// todo' },
  { rule: todo, text: "const TODO = 'FIXME';" },
  { rule: opening, text: `${header}import { a } from './b.ts';` },
  { rule: opening, text: `#!/usr/bin/env node\n${header}a();` },
  { rule: opening, path: 'src/index.ts', text: "export { a } from './b.ts';" },
  { rule: language, text: '/** A port. There is no default; it gives up after 3 ms. */' },
  { rule: language, text: '// `tell` and `says` are names here; the task is no longer ready.' },
  { rule: language, text: "const says = a('says');" },
  { rule: language, path: 'src/net/a.test.ts', text: "it('returns', () => a('he says so'));" },
];

describe('the samples', () => {
  it('cover every rule, with bad code and with good code', () => {
    const sentences = rules.map(({ sentence }) => sentence);
    expect(new Set(bad.map(({ rule }) => rule))).toEqual(new Set(sentences));
    expect(new Set(good.map(({ rule }) => rule))).toEqual(new Set(sentences));
  });
});

describe('a rule reports a bad sample:', () => {
  for (const { message, ...sample } of bad) {
    it(titleOf(sample), () => {
      expect(findingsOf(sample)).toContain(message);
    });
  }
});

describe('a rule accepts a good sample:', () => {
  for (const sample of good) {
    it(titleOf(sample), () => {
      expect(findingsOf(sample)).toBe('');
    });
  }
});

describe('the rule about dead files', () => {
  const imports: Readonly<Record<string, string>> = {
    'src/index.ts': "export { a } from './net/a.ts';",
    'src/lowlevel.ts': "export type { B } from './net/b.ts';",
    'src/cli/main.ts': "await import('./late.ts');",
  };
  const entries = entryFiles.map((path) => ({ path, text: imports[path] ?? '' }));
  const imported = ['src/net/a.ts', 'src/net/b.ts', 'src/cli/late.ts'];
  const live = [...entries, ...imported.map((path) => ({ path, text: '' }))];
  const tested = { path: 'src/net/c.test.ts', text: "import './c.ts';" };

  it('accepts tests and files that an entry file imports', () => {
    expect(findDeadFiles([...live, tested].map(parse))).toEqual([]);
  });

  it('reports a file that only a test imports', () => {
    const files = [...live, tested, { path: 'src/net/c.ts', text: '' }];
    expect(report(findDeadFiles(files.map(parse)))).toContain(
      'src/net/c.ts:1: no entry file imports this file',
    );
  });

  it('reports a missing entry file', () => {
    expect(report(findDeadFiles(live.slice(1).map(parse)))).toContain('src/index.ts:1: is missing');
  });
});

describe('the rule about machine-specific paths', () => {
  // Joined from parts, so that this file itself contains no such path.
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
  ])('reports %s', (text) => {
    expect(report(findMachineSpecificPaths({ path: 'docs/a.md', text: `\n${text}` }))).toMatch(
      /^docs\/a\.md:2: /,
    );
  });

  it.each([
    './home/page',
    'node_modules/.bin',
    '/tmp/x.sock',
    'this.registry.of.sockets',
    'https://example.org/home/page',
  ])('accepts %s', (text) => {
    expect(findMachineSpecificPaths({ path: 'docs/a.md', text })).toEqual([]);
  });
});

describe('the rule about crowded folders', () => {
  const folder = (name: string, count: number, suffix: string): { path: string; text: string }[] =>
    Array.from({ length: count }, (_, index) => ({ path: `${name}/${index}${suffix}`, text: '' }));

  it('counts the sources of a folder in src/ without their tests', () => {
    const files = [...folder('src/net', 16, '.ts'), ...folder('src/net', 9, '.test.ts')];
    expect(findCrowdedFolders(files)).toEqual([]);
    expect(report(findCrowdedFolders(folder('src/net', 17, '.ts')))).toContain('17 files, at most');
  });

  it('counts tests and programs of a folder in test/', () => {
    const files = [...folder('test/e2e', 17, '.test.ts'), ...folder('test/e2e', 1, '.mjs')];
    expect(findCrowdedFolders(files)).toEqual([]);
    const more = [...files, ...folder('test/e2e', 1, '.ts')];
    expect(report(findCrowdedFolders(more))).toContain('test/e2e:1: 19 files, at most 18');
  });

  it('ignores folders outside of src/ and test/', () => {
    expect(findCrowdedFolders(folder('bench/lib', 40, '.mjs'))).toEqual([]);
  });
});

describe('the language rule for Markdown', () => {
  const findings = (text: string): string =>
    report(checkMarkdownLanguage({ path: 'docs/a.md', text }));

  it('reports words in paragraphs and openings of headings', () => {
    expect(findings('# Title\n\nIt tells nothing.')).toContain('docs/a.md:3: "tells"');
    expect(findings('# What it does')).toContain('docs/a.md:1: opens with "What"');
  });

  it('ignores code blocks and inline code', () => {
    expect(findings('Call `tell`.\n```\nit says so\n```\nWhat follows is prose.')).toBe('');
  });
});
