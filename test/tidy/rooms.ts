/** Who may import whom, and which names of the real world stay outside of the pure rooms. */
import type { Import } from './imports.ts';
import { resolveImport } from './imports.ts';
import type { Finding } from './rules.ts';
import type { CodeFile } from './tree.ts';
import { isTest } from './tree.ts';

interface Room {
  /** Rooms whose code it may run. */
  readonly uses: readonly string[];
  /** Rooms that it may know the types of, and no more. */
  readonly typesOf: readonly string[];
  /** True where `node:*` may be imported. */
  readonly node: boolean;
}

const everyRoom = 'kernel flow world net server node sim interop cli'.split(' ');

/** The order is the one in which the tree is read: each room stands on those above it. */
export const rooms: Readonly<Record<string, Room>> = {
  kernel: { uses: [], typesOf: [], node: false },
  flow: { uses: ['kernel'], typesOf: [], node: false },
  world: { uses: [], typesOf: ['kernel', 'world'], node: false },
  net: { uses: ['kernel', 'flow', 'world'], typesOf: [], node: false },
  server: { uses: ['kernel', 'flow', 'net', 'world'], typesOf: [], node: false },
  node: { uses: ['kernel', 'world'], typesOf: [], node: true },
  sim: { uses: ['kernel', 'flow', 'world'], typesOf: ['net'], node: false },
  interop: { uses: ['kernel', 'net'], typesOf: ['world'], node: true },
  cli: { uses: everyRoom, typesOf: [], node: true },
};

/** The entry files beside the rooms: they choose the concrete world, like the command. */
const entries = new Set(['src/index.ts', 'src/lowlevel.ts', 'src/sim.ts']);

/** Which file may import which package; CONTRIBUTING.md has the reason of each. */
const packagesOf: Readonly<Record<string, readonly string[]>> = {
  'src/node/metrics.ts': ['prom-client'],
};

const pureRooms = new Set('kernel flow world net server sim'.split(' '));

const bannedGlobals: Readonly<Record<string, string>> = {
  Date: 'ask the scheduler for the time: now()',
  performance: 'ask the scheduler for the time: now()',
  setTimeout: 'sleep, or arm a timer of the scheduler',
  setInterval: 'sleep in a loop, or arm a timer of the scheduler',
  setImmediate: 'yield, or ask the Host to call later',
  queueMicrotask: 'yield, or ask the Host to call later',
  process: 'ask the Platform or the Host',
};

/** The functions of Math that give the same bits on every machine. */
const exactMath = new Set(['floor', 'min', 'max', 'imul']);

function roomOf(path: string): string {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? '';
}

/** The rule "who may import whom". Tests may import anything. */
export function checkImports(file: CodeFile): Finding[] {
  if (!file.path.startsWith('src/') || isTest(file.path) || entries.has(file.path)) return [];
  const name = roomOf(file.path);
  const room = rooms[name];
  if (room === undefined) {
    const message = `belongs to no room: move it to one of ${Object.keys(rooms).join(', ')}`;
    return [{ path: file.path, line: 1, message }];
  }
  return file.imports.flatMap((found) => {
    const problem = importProblem(file.path, name, room, found);
    return problem === '' ? [] : [{ path: file.path, line: found.line, message: problem }];
  });
}

function importProblem(path: string, name: string, room: Room, found: Import): string {
  const { specifier, typeOnly } = found;
  if (packagesOf[path]?.includes(specifier) === true) return '';
  if (!specifier.startsWith('.')) return packageProblem(name, room, specifier);
  const target = resolveImport(path, specifier);
  const targetRoom = roomOf(target);
  if (targetRoom === '') return `must not import ${target}: import what it names instead`;
  if (isTest(target)) return `must not import the test ${target}: move what is shared to test/`;
  if (room.typesOf.includes(targetRoom)) {
    if (typeOnly) return '';
    return `${name}/ may import types of ${targetRoom}/ only: write \`import type … from\``;
  }
  if (targetRoom === name || room.uses.includes(targetRoom)) return '';
  return `${name}/ must not import ${targetRoom}/: it may use ${describeRoom(room)}`;
}

function packageProblem(name: string, room: Room, specifier: string): string {
  if (!specifier.startsWith('node:')) {
    return `must not import the package '${specifier}': CONTRIBUTING.md lists those we have`;
  }
  if (room.node) return '';
  return `${name}/ must not import ${specifier}: ask the Host, Network or Platform (world/)`;
}

function describeRoom(room: Room): string {
  const types = room.typesOf.map((name) => `types of ${name}`);
  const allowed = [...room.uses, ...types, ...(room.node ? ['node:*'] : [])];
  return allowed.length === 0 ? 'no other room' : allowed.join(', ');
}

/** The rule "no clock, timer, process or randomness of the real world in the pure rooms". */
export function checkPurity(file: CodeFile): Finding[] {
  const room = roomOf(file.path);
  if (!file.path.startsWith('src/') || !pureRooms.has(room) || isTest(file.path)) return [];
  return file.scan.tokens.flatMap((token, at) => {
    if (token.kind !== 'word') return [];
    const problem = token.text === 'Math' ? mathProblem(file, room, at) : globalProblem(file, at);
    const message = `${problem} (${room}/ runs in every world)`;
    return problem === '' ? [] : [{ path: file.path, line: token.line, message }];
  });
}

function globalProblem(file: CodeFile, at: number): string {
  const { tokens } = file.scan;
  const name = tokens[at]?.text ?? '';
  const instead = Object.hasOwn(bannedGlobals, name) ? bannedGlobals[name] : undefined;
  if (instead === undefined || isMember(file, at)) return '';
  return `must not use ${name}: ${instead}`;
}

/** True for the name of a property, as in `host.process` and `{ process: … }`. */
function isMember(file: CodeFile, at: number): boolean {
  const before = file.scan.tokens[at - 1]?.text ?? '';
  if (before === '.' || before === '?.') return file.scan.tokens[at - 2]?.text !== 'globalThis';
  const isKey = ['{', ',', ';', 'readonly'].includes(before);
  return isKey && [':', '?'].includes(file.scan.tokens[at + 1]?.text ?? '');
}

function mathProblem(file: CodeFile, room: string, at: number): string {
  const { tokens } = file.scan;
  if (tokens[at - 1]?.text === '.' && tokens[at - 2]?.text !== 'globalThis') return '';
  const member = tokens[at + 1]?.text === '.' ? (tokens[at + 2]?.text ?? '') : '';
  if (member === 'random') return 'must not use Math.random: ask the scheduler for its random()';
  if (room !== 'sim' || exactMath.has(member)) return '';
  const used = member === '' ? 'Math as a value' : `Math.${member}`;
  return `must not use ${used}: of Math only ${[...exactMath].join(', ')} are exact everywhere`;
}
