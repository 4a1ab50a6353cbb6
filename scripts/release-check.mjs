/**
 * `npm run release:check`: everything that a release needs, without the network. Builds and packs
 * the package, examines the tarball, and installs it in an empty project.
 *
 *   --keep FOLDER   leave the tarball there
 *   --publish       fail also for problems of the publication only: a date in CHANGELOG.md, and the
 *                   addresses in package.json that are placeholders
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { arch, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { prebuildPath, TARGETS } from './prebuild.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'coronet-release-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const MAX_PACKED_BYTES = 1_400_000;
const MAX_UNPACKED_BYTES = 5_000_000;
const MAX_ADDON_BYTES = 60 * 1024;
/** The field e_machine of an ELF file. */
const MACHINES = { x64: 62, arm64: 183 };

/** The only files of a package, apart from those that npm adds. */
const ALLOWED = [
  /^dist\/.*\.(?:js|js\.map|d\.ts)$/,
  /^native\/(?:[\w-]+\.[ch]|build\.mjs|README\.md)$/,
  /^prebuilds\/linux-(?:x64|arm64)\/coronet\.node$/,
  /^docs\/[\w/.-]+\.(?:md|svg)$/,
  /^(?:ARCHITECTURE\.md|CHANGELOG\.md|LICENSE|README\.md|package\.json)$/,
];

const { values: options } = parseArgs({
  options: { keep: { type: 'string' }, publish: { type: 'boolean', default: false } },
});
const manifest = JSON.parse(read('package.json'));
const problems = [];
/** Problems of the publication only. */
const notes = [];

function read(path) {
  return readFileSync(join(root, path), 'utf8');
}

function expect(holds, problem) {
  if (!holds) problems.push(problem);
}

function output(command, args, cwd = root) {
  return execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

checkChangelog();
checkMetadata();
output('npm', ['run', '--silent', 'prepack']);
const packed = pack();
checkContents(packed);
checkPrebuilds();
checkLicences();
checkTypes(packed);
checkInstalled(packed);
report();

/** The first heading is the version of package.json, with its date. */
function checkChangelog() {
  const heading = /^## .*$/m.exec(read('CHANGELOG.md'))?.[0] ?? '';
  const { version } = manifest;
  expect(
    heading.startsWith(`## ${version} (`),
    `CHANGELOG.md: expected ${version}, got ${heading}`,
  );
  const isDated = /\(\d{4}-\d{2}-\d{2}\)$/.test(heading);
  if (!isDated) notes.push(`CHANGELOG.md: the heading of ${version} has no date (YYYY-MM-DD)`);
  const locked = JSON.parse(read('package-lock.json')).version;
  expect(locked === version, `package-lock.json: version ${locked}, expected ${version}`);
}

/** npm refuses provenance for a package whose repository is not the one that publishes it. */
function checkMetadata() {
  for (const field of ['name', 'version', 'description', 'license', 'keywords', 'engines']) {
    expect(manifest[field] !== undefined, `package.json: no ${field}`);
  }
  expect(!manifest.private, 'package.json: private packages cannot be published');
  for (const field of ['repository', 'bugs', 'homepage']) {
    const text = JSON.stringify(manifest[field] ?? '');
    expect(text.includes('https://'), `package.json: ${field} has no address`);
    if (text.includes('/OWNER/')) notes.push(`package.json: ${field} is a placeholder: ${text}`);
  }
}

/** Returns the list of npm, an object (npm 12) or the only item of a list (npm 10, 11). */
function pack() {
  const json = output('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch]);
  const [list] = Object.values(JSON.parse(json));
  if (options.keep !== undefined) {
    mkdirSync(options.keep, { recursive: true });
    copyFileSync(join(scratch, list.filename), join(options.keep, list.filename));
  }
  return list;
}

function checkContents({ files, size, unpackedSize }) {
  expect(size <= MAX_PACKED_BYTES, `The tarball has ${size} bytes, at most ${MAX_PACKED_BYTES}`);
  const isSmall = unpackedSize <= MAX_UNPACKED_BYTES;
  expect(isSmall, `The package has ${unpackedSize} bytes, at most ${MAX_UNPACKED_BYTES}`);
  const paths = files.map(({ path }) => path);
  const foreign = paths.filter((path) => !ALLOWED.some((pattern) => pattern.test(path)));
  expect(foreign.length === 0, `The tarball contains ${foreign.join(', ')}`);
  for (const path of [...exportedFiles(), ...Object.keys(TARGETS).map(prebuildPath)]) {
    expect(paths.includes(path), `The tarball lacks ${path}`);
  }
  const local = paths.filter((path) => !path.endsWith('.node') && read(path).includes(root));
  expect(local.length === 0, `Names of folders of this machine are in ${local.join(', ')}`);
}

function exportedFiles() {
  const targets = [...Object.values(manifest.exports), ...Object.values(manifest.bin)];
  const paths = targets.flatMap((target) =>
    typeof target === 'string' ? target : Object.values(target),
  );
  return paths.map((path) => path.replace(/^\.\//, ''));
}

function checkPrebuilds() {
  for (const target of Object.keys(TARGETS)) {
    const path = prebuildPath(target);
    if (!existsSync(join(root, path))) continue; // Reported by checkContents.
    const bytes = readFileSync(join(root, path));
    const machine = bytes.readUInt16LE(18);
    expect(machine === MACHINES[target], `${path} is for the machine ${machine}`);
    expect(bytes.length <= MAX_ADDON_BYTES, `${path} has ${bytes.length} bytes`);
    const newest = statSync(join(root, path)).mtimeMs;
    const sources = readdirSync(join(root, 'native')).filter((name) => /\.[ch]$/.test(name));
    const isStale = sources.some((name) => statSync(join(root, 'native', name)).mtimeMs > newest);
    expect(!isStale, `${path} is older than native/`);
  }
}

/** The bundles contain this project only, so its licence is the only one. */
function checkLicences() {
  expect(manifest.license === 'MIT' && read('LICENSE').startsWith('MIT'), 'The licence is not MIT');
  expect(manifest.dependencies === undefined, 'package.json: run-time dependencies');
  for (const map of readdirSync(join(root, 'dist'), { recursive: true })) {
    if (!map.endsWith('.js.map')) continue;
    const { sources } = JSON.parse(read(join('dist', map)));
    const foreign = sources.filter((source) => !/^(?:\.\.\/)+src\//.test(source));
    expect(foreign.length === 0, `dist/${map} contains ${foreign.join(', ')}`);
  }
}

/** publint and attw examine the tarball as the users' tools read it. */
function checkTypes({ filename }) {
  const tarball = join(scratch, filename);
  const attw = ['--profile', 'esm-only', '--no-emoji', '--no-summary'];
  for (const [tool, ...args] of [
    ['publint', '--strict'],
    ['attw', ...attw],
  ]) {
    try {
      output(join(root, 'node_modules/.bin', tool), [tarball, ...args]);
    } catch (error) {
      problems.push(`${tool}: ${error.stdout}`);
    }
  }
}

/** The tarball works without install scripts, and its addon loads. */
function checkInstalled({ filename }) {
  const project = join(scratch, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
  const tarball = join(scratch, filename);
  output('npm', ['install', '--offline', '--ignore-scripts', '--no-save', tarball], project);
  const main = 'node_modules/coronet/dist/cli/main.js';
  const facts = JSON.parse(output(process.execPath, [main, 'doctor', '--json'], project));
  expect(facts.coronet === manifest.version, `The command reports version ${facts.coronet}`);
  if (platform() !== 'linux' || !Object.hasOwn(TARGETS, arch())) return;
  const loaded = facts.addon.files.find(({ state }) => state === 'loaded')?.path ?? facts.reason;
  expect(loaded.endsWith(prebuildPath(arch())), `The prebuilt addon was not loaded: ${loaded}`);
}

function report() {
  const failures = options.publish ? [...problems, ...notes] : problems;
  const { size, unpackedSize, files } = packed;
  console.log(`${packed.filename}: ${size} bytes, ${files.length} files, ${unpackedSize} unpacked`);
  for (const note of options.publish ? [] : notes) console.log(`before publishing: ${note}`);
  for (const failure of failures) console.log(`problem: ${failure}`);
  console.log(failures.length === 0 ? 'release:check: passed' : 'release:check: failed');
  process.exitCode = failures.length === 0 ? 0 : 1;
}
