/**
 * The stages of `.ci/run`: first the README's commands, then the other environments that Coronet
 * supports: other versions of Node, no compiler, a fresh clone, the package as npm packs it.
 *
 * Each stage prints its duration. The first failure ends the run, and so does the time limit.
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

/** Major versions of Node to test, in addition to the one that runs this. */
const nodeVersions = [22, 24, 26];
/** Major versions of npm. */
const npmVersions = [11, 12];

const smoke = `node ${JSON.stringify(join(root, 'scripts/smoke-echo.mjs'))}`;
/** The tests that depend on Node, and the test that a seed replays equally on every version. */
const nodeTests = 'npx vitest run src/node src/interop src/sim/report/trace-hash test/conformance';

const stages = [
  ['the README: npm install && npm test', () => run('npm install && npm test')],
  ['the native code', testNative],
  ['the portable network, forced', testPortable],
  ...nodeVersions.map((version) => [`Node ${version}`, () => testOnNode(version)]),
  ['a fresh clone, no compiler', testWithoutCompiler],
  ...npmVersions.map((major) => [`a fresh clone, npm ${major}`, () => testFreshClone(major)]),
  ['the packed package', testPackage],
];

let child;
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => fail(`received ${signal}`));
setTimeout(() => fail(`not finished after ${limitMs / 60_000} minutes`), limitMs).unref();

const times = [];
for (const [name, stage] of stages) {
  process.stdout.write(`\n=== ${name}\n`);
  const start = Date.now();
  await stage();
  times.push(`${seconds(start).padStart(8)}  ${name}`);
  process.stdout.write(`=== ${name}: passed in ${seconds(start)}\n`);
}
process.stdout.write(`\n${times.join('\n')}\n${seconds(began).padStart(8)}  total\n`);

async function testNative() {
  if (hasCompiler()) await run('npm run test:native');
  else process.stdout.write('No compiler: skipped\n');
}

async function testPortable() {
  await run(`npm run test:unit && ${smoke}`, { env: { CORONET_BACKEND: 'portable' } });
}

async function testOnNode(version) {
  const path = await installNode(version);
  await run(`node --version && ${nodeTests} && ${smoke}`, { path });
}

/** Without the addon. Tests that do not depend on it have run before. */
async function testWithoutCompiler() {
  const cwd = await clone('no-compiler');
  const tests = `npm install && npm run build && ${nodeTests} test/e2e && ${smoke}`;
  await run(tests, { cwd, onlyPath: pathWithoutCompilers() });
}

/** The README's start command, with a version of npm that runs no install scripts. */
async function testFreshClone(major) {
  const cwd = await clone(`npm-${major}`);
  const npm = await install(`npm@${major}`, `with-npm-${major}`);
  const path = `${npm}/.bin${delimiter}${await installNode(nodeVersions.at(-1))}`;
  await run(`npm --version && npm install && ${smoke} npm start --`, { cwd, path });
  await run('git diff --exit-code', { cwd });
}

/** Installs the tarball of `npm pack`, imports every entry point and runs the command. */
async function testPackage() {
  const cwd = join(scratch, 'consumer');
  mkdirSync(cwd);
  // Without this file npm uses a project in a parent folder.
  writeFileSync(join(cwd, 'package.json'), '{ "private": true }\n');
  await run(`npm pack --pack-destination ${JSON.stringify(cwd)}`);
  await run('npm install --no-save ./coronet-*.tgz', { cwd });
  const names = ['', '/health', '/lowlevel', '/sim', '/workers'].map((entry) => `coronet${entry}`);
  const entries = names.map((name) => `await import('${name}')`).join('; ');
  await run(`node --input-type=module -e "${entries}"`, { cwd });
  await run(`${smoke} node_modules/.bin/coronet echo`, { cwd });
}

/** The folder of a Node binary. npm packages contain one binary each; npm fetches it once. */
async function installNode(version) {
  const name = `node-${process.platform}-${process.arch}`;
  const modules = await install(`${name}@${version}`, `node-${version}`);
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

/** A folder with links to all commands in PATH except compilers. */
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
    // As in a shell, the first folder of PATH takes precedence.
    if (error.code !== 'EEXIST') throw error;
  }
}

/**
 * Runs a shell command. `path` is prepended to PATH, `onlyPath` replaces it. The child has its own
 * process group, so that `fail` can end all of its processes.
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
  if (code !== 0) fail(`'${line}' ended with ${code}`);
}

function fail(reason) {
  process.stderr.write(`\nci: ${reason}\n`);
  if (child !== undefined) process.kill(-child.pid, 'SIGKILL');
  process.exit(1);
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
