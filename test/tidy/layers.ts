/** Imports between layers, and names of Node that the pure layers must not use. */
import type { Import } from './imports.ts';
import { resolveImport } from './imports.ts';
import type { Finding } from './rules.ts';
import type { CodeFile } from './tree.ts';
import { isTest } from './tree.ts';

interface Layer {
  /** Layers, or folders or files of layers, that it may import. */
  readonly uses: readonly string[];
  /** Layers of which it may import types only. */
  readonly typesOf: readonly string[];
  /** True where `node:*` may be imported. */
  readonly node: boolean;
}

const everyLayer =
  'support kernel flow world inspect net server ws topics node sim interop cli'.split(' ');

/** In reading order: a layer builds on the layers before it. */
export const layers: Readonly<Record<string, Layer>> = {
  support: { uses: [], typesOf: [], node: false },
  kernel: { uses: ['support'], typesOf: [], node: false },
  flow: { uses: ['support', 'kernel'], typesOf: [], node: false },
  world: { uses: [], typesOf: ['kernel', 'world'], node: false },
  inspect: {
    uses: ['support', 'kernel', 'flow', 'world'],
    typesOf: ['net', 'server'],
    node: false,
  },
  net: { uses: ['support', 'kernel', 'flow', 'world'], typesOf: [], node: false },
  server: {
    uses: ['support', 'kernel', 'flow', 'net', 'world', 'inspect'],
    typesOf: [],
    node: false,
  },
  ws: { uses: ['support', 'kernel', 'flow', 'world', 'net', 'server'], typesOf: [], node: false },
  topics: {
    uses: ['support', 'kernel', 'flow', 'world', 'net', 'server'],
    typesOf: [],
    node: false,
  },
  node: { uses: ['support', 'kernel', 'world', 'inspect'], typesOf: [], node: true },
  sim: { uses: ['support', 'kernel', 'flow', 'world', 'inspect'], typesOf: ['net'], node: false },
  // The transports in interop/ extend the base class in node/stream/.
  interop: {
    uses: ['support', 'kernel', 'net', 'node/stream', 'node/timers.ts'],
    typesOf: ['world'],
    node: true,
  },
  cli: { uses: everyLayer, typesOf: [], node: true },
};

/** The entry files in src/. Like the command, they choose the concrete world. */
const entries = new Set(
  'index health inspect lowlevel sim topics workers ws'.split(' ').map((n) => `src/${n}.ts`),
);

/** The files that may import a package. CONTRIBUTING.md states the reason for each package. */
const packagesOf: Readonly<Record<string, readonly string[]>> = {
  'src/node/peers/prometheus-page.ts': ['prom-client'],
  'src/node/peers/nats-engine.ts': ['@nats-io/transport-node'],
};

const pureLayers = new Set('support kernel flow world inspect net server sim ws topics'.split(' '));

const bannedGlobals: Readonly<Record<string, string>> = {
  Date: 'ask the scheduler for the time: now()',
  performance: 'ask the scheduler for the time: now()',
  setTimeout: 'use sleep or arm a timer of the scheduler',
  setInterval: 'use sleep in a loop or arm a timer of the scheduler',
  setImmediate: 'yield or ask the Host for a later call',
  queueMicrotask: 'yield or ask the Host for a later call',
  process: 'ask the Platform or the Host',
};

/** The layers that use real time. */
const realTimeLayers = new Set(['node', 'interop']);
/** Functions that a test runner may replace, with the file that has them as they were at load. */
const replaceable: Readonly<Record<string, string>> = {
  setTimeout: 'timers.ts',
  setInterval: 'timers.ts',
  setImmediate: 'timers.ts',
  clearTimeout: 'timers.ts',
  clearInterval: 'timers.ts',
  clearImmediate: 'timers.ts',
  'process.nextTick': 'timers.ts',
  'performance.now': 'timers.ts',
  'Date.now': 'timers.ts',
  'process.emitWarning': 'warnings.ts',
};

/** The functions of Math whose results are bit-identical on every machine. */
const exactMath = new Set(['floor', 'min', 'max', 'imul']);

function layerOf(path: string): string {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? '';
}

/** The rule about imports between layers. Tests may import anything. */
export function checkImports(file: CodeFile): Finding[] {
  if (!file.path.startsWith('src/') || isTest(file.path) || entries.has(file.path)) return [];
  const name = layerOf(file.path);
  const layer = layers[name];
  if (layer === undefined) {
    const message = `belongs to no layer: move it to one of ${Object.keys(layers).join(', ')}`;
    return [{ path: file.path, line: 1, message }];
  }
  return file.imports.flatMap((found) => {
    const problem = importProblem(file.path, name, layer, found);
    return problem === '' ? [] : [{ path: file.path, line: found.line, message: problem }];
  });
}

function importProblem(path: string, name: string, layer: Layer, found: Import): string {
  const { specifier, typeOnly } = found;
  if (packagesOf[path]?.includes(specifier) === true) return '';
  if (!specifier.startsWith('.')) return packageProblem(name, layer, specifier);
  const target = resolveImport(path, specifier);
  const targetLayer = layerOf(target);
  if (targetLayer === '')
    return `must not import ${target}: import from the file that defines the name`;
  if (isTest(target)) return `must not import the test ${target}: move shared code to test/support`;
  if (layer.typesOf.includes(targetLayer)) {
    if (typeOnly) return '';
    return `${name}/ may import types of ${targetLayer}/ only: write \`import type … from\``;
  }
  const isUsed = layer.uses.some((used) => `${target}/`.startsWith(`src/${used}/`));
  if (targetLayer === name || isUsed) return '';
  return `${name}/ must not import ${targetLayer}/: it may use ${describeLayer(layer)}`;
}

function packageProblem(name: string, layer: Layer, specifier: string): string {
  if (!specifier.startsWith('node:')) {
    return `must not import the package '${specifier}': CONTRIBUTING.md lists the dependencies`;
  }
  if (layer.node) return '';
  return `${name}/ must not import ${specifier}: ask the Host, Network or Platform (world/)`;
}

function describeLayer(layer: Layer): string {
  const types = layer.typesOf.map((name) => `types of ${name}`);
  const allowed = [...layer.uses, ...types, ...(layer.node ? ['node:*'] : [])];
  return allowed.length === 0 ? 'no other layer' : allowed.join(', ');
}

/** The rule about clocks, timers, the process and random numbers in the pure layers. */
export function checkPurity(file: CodeFile): Finding[] {
  const layer = layerOf(file.path);
  if (!file.path.startsWith('src/') || !pureLayers.has(layer) || isTest(file.path)) return [];
  return file.scan.tokens.flatMap((token, at) => {
    if (token.kind !== 'word') return [];
    const problem = token.text === 'Math' ? mathProblem(file, layer, at) : globalProblem(file, at);
    const message = `${problem} (${layer}/ also runs in the simulator)`;
    return problem === '' ? [] : [{ path: file.path, line: token.line, message }];
  });
}

/** The rule about functions of the process that a test runner may replace. */
export function checkReplaceable(file: CodeFile): Finding[] {
  const { path, text } = file;
  const isRuntime = path.startsWith('src/') && realTimeLayers.has(layerOf(path));
  if (!isRuntime || isTest(path)) return [];
  return file.scan.tokens.flatMap(({ kind, line }, at) => {
    const name = kind === 'word' ? calledName(file, at) : '';
    const home = Object.hasOwn(replaceable, name) ? replaceable[name] : undefined;
    if (home === undefined || path === `src/node/${home}`) return [];
    const imported = new RegExp(`^import \\{[^}]*\\b${name}\\b[^}]*\\} from '[^']*/${home}';`, 'm');
    if (imported.test(text)) return [];
    const message = `must not call ${name}, which a test runner may replace: use src/node/${home}`;
    return [{ path, line, message }];
  });
}

/** `f` for the call `f(…)` and `a.f` for `a.f(…)`, where `at` is the token `f`; otherwise ''. */
function calledName({ scan: { tokens } }: CodeFile, at: number): string {
  const name = tokens[at]?.text ?? '';
  if (tokens[at + 1]?.text !== '(') return '';
  return tokens[at - 1]?.text === '.' ? `${tokens[at - 2]?.text}.${name}` : name;
}

function globalProblem(file: CodeFile, at: number): string {
  const { tokens } = file.scan;
  const name = tokens[at]?.text ?? '';
  const instead = Object.hasOwn(bannedGlobals, name) ? bannedGlobals[name] : undefined;
  if (instead === undefined || isMember(file, at)) return '';
  return `must not use ${name}: ${instead}`;
}

/** True for a property name, as in `host.process` and `{ process: … }`. */
function isMember(file: CodeFile, at: number): boolean {
  const before = file.scan.tokens[at - 1]?.text ?? '';
  if (before === '.' || before === '?.') return file.scan.tokens[at - 2]?.text !== 'globalThis';
  const isKey = ['{', ',', ';', 'readonly'].includes(before);
  return isKey && [':', '?'].includes(file.scan.tokens[at + 1]?.text ?? '');
}

function mathProblem(file: CodeFile, layer: string, at: number): string {
  const { tokens } = file.scan;
  if (tokens[at - 1]?.text === '.' && tokens[at - 2]?.text !== 'globalThis') return '';
  const member = tokens[at + 1]?.text === '.' ? (tokens[at + 2]?.text ?? '') : '';
  if (member === 'random') return 'must not use Math.random: ask the scheduler for its random()';
  if (layer !== 'sim' || exactMath.has(member)) return '';
  const used = member === '' ? 'Math as a value' : `Math.${member}`;
  return `must not use ${used}: only ${[...exactMath].join(', ')} are exact on every machine`;
}
