/**
 * What `.ci/run` does: the README's commands first, then the places where Coronet has to work
 * besides this machine: other Nodes, no compiler, a fresh clone, the package as npm packs it.
 *
 * Each stage prints how long it took. The first failure ends the run; so does the limit.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'coronet-ci-'));
const limitMs = 15 * 60_000;
const began = Date.now();

/** The Nodes beside the one that runs this; each is an npm package that holds one binary. */
const nodeLines = [22, 24, 26];
const npmLines = [11, 12];

const smoke = `node ${JSON.stringify(join(root, 'scripts/smoke-echo.mjs'))}`;
/** What meets Node itself; and that a seed gives the same simulation on each. */
const nodeTests = 'npx vitest run src/node src/interop src/sim/report/trace-hash test/conformance';

const stages = [
  ['the README: npm install && npm test', () => run('npm install && npm test')],
  ['the native code', testNative],
  ['the portable network, forced', testPortable],
  ...nodeLines.map((line) => [`Node ${line}`, () => testOnNode(line)]),
  ['a fresh clone, no compiler', testWithoutCompiler],
  ...npmLines.map((line) => [`a fresh clone, npm ${line}`, () => testFreshClone(line)]),
  ['the packed package', testPackage],
];

let child;
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => giveUp(`got ${signal}`));
setTimeout(() => giveUp(`not done after ${limitMs / 60_000} minutes`), limitMs).unref();

const times = [];
for (const [name, stage] of stages) {
  process.stdout.write(`\n=== ${name}\n`);
  const start = Date.now();
  await stage();
  times.push(`${seconds(start).padStart(8)}  ${name}`);
  process.stdout.write(`=== ${name}: passed in ${seconds(start)}\n`);
}
process.stdout.write(`\n${times.join('\n')}\n${seconds(began).padStart(8)}  in all\n`);

async function testNative() {
  if (hasCompiler()) await run('npm run test:native');
  else process.stdout.write('There is no compiler: skipped\n');
}

async function testPortable() {
  await run(`npm run test:unit && ${smoke}`, { env: { CORONET_BACKEND: 'portable' } });
}

async function testOnNode(line) {
  const path = await installNode(line);
  await run(`node --version && ${nodeTests} && ${smoke}`, { path });
}

/** A machine that cannot build the addon. What has nothing to do with it was tested before. */
async function testWithoutCompiler() {
  const cwd = await clone('no-compiler');
  const tests = `npm install && npm run build && ${nodeTests} test/e2e && ${smoke}`;
  await run(tests, { cwd, onlyPath: pathWithoutCompilers() });
}

/** The README's start command, under an npm that may not run install scripts. */
async function testFreshClone(line) {
  const cwd = await clone(`npm-${line}`);
  const npm = await install(`npm@${line}`, `with-npm-${line}`);
  const path = `${npm}/.bin${delimiter}${await installNode(nodeLines.at(-1))}`;
  await run(`npm --version && npm install && ${smoke} npm start --`, { cwd, path });
  await run('git diff --exit-code', { cwd });
}

/** Installs what `npm pack` makes, imports it and runs its command. */
async function testPackage() {
  const cwd = join(scratch, 'consumer');
  mkdirSync(cwd);
  // npm looks for a project further up, and stumbles, where there is none.
  writeFileSync(join(cwd, 'package.json'), '{ "private": true }\n');
  await run(`npm pack --pack-destination ${JSON.stringify(cwd)}`);
  await run('npm install --no-save ./coronet-*.tgz', { cwd });
  const names = ['', '/health', '/lowlevel', '/sim', '/workers'].map((entry) => `coronet${entry}`);
  const entries = names.map((name) => `await import('${name}')`).join('; ');
  await run(`node --input-type=module -e "${entries}"`, { cwd });
  await run(`${smoke} node_modules/.bin/coronet echo`, { cwd });
}

/** The folder of a Node binary, which npm fetches once. */
async function installNode(line) {
  const name = `node-${process.platform}-${process.arch}`;
  const modules = await install(`${name}@${line}`, `node-${line}`);
  return join(modules, name, 'bin');
}

async function install(spec, folder) {
  const prefix = join(scratch, folder);
  await run(`npm install --no-save --prefix ${JSON.stringify(prefix)} ${spec}`, { cwd: scratch });
  return join(prefix, 'node_modules');
}

async function clone(folder) {
  const target = join(scratch, folder);
  await run(`git clone --quiet ${JSON.stringify(root)} ${JSON.stringify(target)}`);
  return target;
}

function hasCompiler() {
  return spawnSync('cc', ['--version']).status === 0;
}

/** A folder with a link to every command of PATH that is no compiler. */
function pathWithoutCompilers() {
  const folder = join(scratch, 'bin');
  mkdirSync(folder);
  const compilers = /(?:^|-)(?:cc|gcc|g\+\+|c\+\+|c[89]9|clang|clang\+\+|tcc)(?:-[\d.]+)?$/;
  for (const source of process.env.PATH.split(delimiter).filter(Boolean)) {
    for (const name of listFolder(source)) {
      if (!compilers.test(name)) linkOnce(join(source, name), join(folder, name));
    }
  }
  return folder;
}

function listFolder(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linkOnce(target, link) {
  try {
    symlinkSync(target, link);
  } catch (error) {
    // The first folder of PATH wins, as it does in a shell.
    if (error.code !== 'EEXIST') throw error;
  }
}

/**
 * Runs a line of shell. `path` goes in front of PATH, `onlyPath` replaces it. The child has a
 * process group of its own, so that giving up ends all of it.
 */
async function run(line, { cwd = root, env = {}, path, onlyPath } = {}) {
  process.stdout.write(`$ ${line}\n`);
  const joined = path === undefined ? process.env.PATH : `${path}${delimiter}${process.env.PATH}`;
  child = spawn(line, {
    cwd,
    shell: true,
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env, PATH: onlyPath ?? joined },
  });
  const code = await new Promise((resolve, reject) => {
    child.on('exit', (status, signal) => resolve(status ?? signal)).on('error', reject);
  });
  child = undefined;
  if (code !== 0) giveUp(`'${line}' ended with ${code}`);
}

function giveUp(reason) {
  process.stderr.write(`\nci: ${reason}\n`);
  if (child !== undefined) process.kill(-child.pid, 'SIGKILL');
  process.exit(1);
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
