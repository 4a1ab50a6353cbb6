/** `npm create coronet`. `.ci/run create` tests the projects of the packed packages. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGE = join(ROOT, 'packages/create-coronet');
const MAIN = join(PACKAGE, 'main.mjs');
const TEMPLATES = ['server', 'websocket', 'simulation'];
const withoutScript = spawnSync('script', ['--version']).status !== 0;

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coronet-create-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function create(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const options = { cwd: folder, encoding: 'utf8', input: '' } as const;
  return spawnSync(process.execPath, [MAIN, ...args], options);
}

/** The exit code of the command at a terminal in which `input` is typed. */
function atTerminal(input: string): number | null {
  const command = `'${process.execPath}' '${MAIN}'`;
  return spawnSync('script', ['-qec', command, '/dev/null'], { cwd: folder, input }).status;
}

function manifestOf(path: string): Record<string, Record<string, string>> {
  return JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
}

describe('create-coronet', () => {
  test.each(TEMPLATES)('writes a project of the template %s without questions', (template) => {
    const { status, stdout, stderr } = create('my-app', '--template', template);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('cd my-app\n  npm install\n');
    const names = readdirSync(join(folder, 'my-app')).sort();
    const always = ['.gitignore', 'README.md', 'package.json', 'src', 'test', 'tsconfig.json'];
    expect(names).toEqual(always);
    expect(manifestOf(join(folder, 'my-app'))['name']).toBe('my-app');
    expect(readFileSync(join(folder, 'my-app/README.md'), 'utf8')).toMatch(/^# my-app\n/);
  });

  test('takes the template server if only the folder is passed', () => {
    expect(create('my-app').status).toBe(0);
    expect(existsSync(join(folder, 'my-app/src/server.ts'))).toBe(true);
  });

  test('takes the name of the current folder for "."', () => {
    mkdirSync(join(folder, 'here'));
    const { status } = spawnSync(process.execPath, [MAIN, '.'], { cwd: join(folder, 'here') });
    expect(status).toBe(0);
    expect(manifestOf(join(folder, 'here'))['name']).toBe('here');
  });

  test('prints its usage and ends with 2 without arguments and without a terminal', () => {
    const { status, stderr } = create();
    expect(status).toBe(2);
    expect(stderr).toMatch(
      /^create-coronet: Expected a folder\n\nusage: npm create coronet FOLDER/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test('prints its usage and ends with 0 if it is asked for help', () => {
    const { status, stdout } = create('--help');
    expect(status).toBe(0);
    for (const template of TEMPLATES) expect(stdout).toContain(`  ${template} `);
  });

  test.skipIf(withoutScript)('asks for the folder and the template at a terminal', () => {
    expect(atTerminal('asked\n2\n')).toBe(0);
    expect(existsSync(join(folder, 'asked/src/room.ts'))).toBe(true);
  });

  test.skipIf(withoutScript)('takes the folder coronet-app and a server for empty answers', () => {
    expect(atTerminal('\n\n')).toBe(0);
    expect(existsSync(join(folder, 'coronet-app/src/server.ts'))).toBe(true);
  });

  test.skipIf(withoutScript)('ends with 1 if the input ends instead of an answer', () => {
    expect(atTerminal('asked\n')).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('changes nothing if a file of the template exists, and names it', () => {
    mkdirSync(join(folder, 'my-app'));
    writeFileSync(join(folder, 'my-app/package.json'), 'mine');
    const { status, stderr } = create('my-app');
    expect(status).toBe(1);
    expect(stderr).toMatch(/my-app contains package\.json already\n$/);
    expect(readdirSync(join(folder, 'my-app'))).toEqual(['package.json']);
    expect(readFileSync(join(folder, 'my-app/package.json'), 'utf8')).toBe('mine');
  });

  test('writes nothing if a file is in the place of a folder of the template', () => {
    mkdirSync(join(folder, 'my-app'));
    writeFileSync(join(folder, 'my-app/src'), 'mine');
    const { status, stderr } = create('my-app');
    expect(status).toBe(1);
    expect(stderr).toMatch(/my-app contains src already\n$/);
    expect(readdirSync(join(folder, 'my-app'))).toEqual(['src']);
  });

  test('keeps other files of a folder that exists', () => {
    mkdirSync(join(folder, 'my-app'));
    writeFileSync(join(folder, 'my-app/notes.txt'), 'mine');
    expect(create('my-app').status).toBe(0);
    expect(readFileSync(join(folder, 'my-app/notes.txt'), 'utf8')).toBe('mine');
  });

  test('reports a path that is a file', () => {
    writeFileSync(join(folder, 'taken'), '');
    const { status, stderr } = create('taken');
    expect(status).toBe(1);
    expect(stderr).toContain('exists, and is not a folder');
  });

  test('reports an error of the system in one line', () => {
    writeFileSync(join(folder, 'taken'), '');
    const { status, stderr } = create('taken/app');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^create-coronet: ENOTDIR: .*\n$/);
  });

  test.each(['My-App', '.hidden', 'a b', 'http', 'coronet', 'node_modules', 'x'.repeat(215)])(
    'rejects the name %s, which npm does not accept or which is reserved',
    (name) => {
      const { status, stderr } = create(name);
      expect(status).toBe(2);
      expect(stderr).toContain(`The name '${name}' `);
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  test.each([
    ['a template that does not exist', ['app', '--template', 'toString'], "No template 'toString'"],
    ['two folders', ['one', 'two'], 'Expected one folder, got 2'],
    ['an unknown option', ['app', '--fast'], "Unknown option '--fast'"],
  ])('reports %s and writes nothing', (_, args, message) => {
    const { status, stderr } = create(...args);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('has the version of Coronet, and its projects use the tools that test Coronet', () => {
    const own = manifestOf(PACKAGE);
    const coronet = manifestOf(ROOT);
    expect(own['version']).toBe(coronet['version']);
    create('app', '--template', 'websocket');
    const { dependencies, devDependencies } = manifestOf(join(folder, 'app'));
    const { ws } = coronet['peerDependencies'] as Record<string, string>;
    expect(dependencies).toEqual({ coronet: `^${coronet['version']}`, ws });
    const tools = coronet['devDependencies'] as Record<string, string>;
    expect(devDependencies).toEqual({
      '@types/node': tools['@types/node'],
      typescript: tools['typescript'],
    });
  });
});
