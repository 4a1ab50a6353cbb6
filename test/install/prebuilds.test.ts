/** The prebuilt addons: one file per processor, for glibc and musl. Needs the compilers. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/node/addon.ts';

interface Builder {
  buildAddon(options: { readonly output: string; readonly compiler: string }): unknown;
}

interface Prebuild {
  compilerFor(target: string): string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const builder = (await import(join(root, 'native/build.mjs'))) as Builder;
const { compilerFor } = (await import(join(root, 'scripts/prebuild.mjs'))) as Prebuild;

const MAX_BYTES = 60 * 1024;

/** The newest version of glibc that a file may need. That of arm64 is the first with arm64. */
const TARGETS = [
  { target: 'x64', newestGlibc: 14 },
  { target: 'arm64', newestGlibc: 17 },
];

function installed(command: string): boolean {
  return process.platform === 'linux' && spawnSync(command, ['--version']).status === 0;
}

function output(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' });
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'coronet-prebuilds-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function build(name: string, compiler: string): string {
  const file = join(folder, name);
  builder.buildAddon({ output: file, compiler });
  return file;
}

describe.each(TARGETS)('the prebuilt addon for $target', ({ target, newestGlibc }) => {
  const compiler = compilerFor(target);

  describe.runIf(installed(compiler) && installed('readelf'))('built here', () => {
    let file: string;
    beforeAll(() => {
      file = build(`${target}.node`, compiler);
    });

    it('has the same bytes in a second build', () => {
      const again = build(`again/${target}.node`, compiler);
      expect(readFileSync(again).equals(readFileSync(file))).toBe(true);
    });

    it(`has at most ${MAX_BYTES} bytes`, () => {
      expect(readFileSync(file).length).toBeLessThanOrEqual(MAX_BYTES);
    });

    it(`needs libc only, and no version of glibc after 2.${newestGlibc}`, () => {
      const needed = output('readelf', '-dW', file).match(/(?<=NEEDED.*\[)[^\]]+/g);
      expect(needed).toEqual(['libc.so.6']);
      const versions = output('readelf', '-VW', file).match(/(?<=GLIBC_2\.)\d+/g) ?? [];
      expect(Math.max(...versions.map(Number))).toBeLessThanOrEqual(newestGlibc);
    });

    it('is not unloaded with the last worker that uses it', () => {
      expect(output('readelf', '-dW', file)).toMatch(/FLAGS_1.*NODELETE/);
    });

    it.runIf(target === process.arch)('loads in Node', async () => {
      const script = `process.stdout.write(String(require(${JSON.stringify(file)}).abi))`;
      const abi = loadAddon().addon?.abi;
      expect(output(process.execPath, '--eval', script)).toBe(String(abi));
    });
  });
});

describe.runIf(installed('musl-gcc') && process.arch === 'x64')('the addon and musl', () => {
  it('compiles without a warning against the headers of musl', () => {
    expect(build('musl.node', 'musl-gcc')).toBe(join(folder, 'musl.node'));
  });

  const canBuild = installed('nm') && installed(compilerFor('x64'));

  it.runIf(canBuild)('built with glibc, loads with the loader of musl', () => {
    const file = build('glibc.node', compilerFor('x64'));
    // Names without a version are those that Node provides.
    const names = output('nm', '-D', '--undefined-only', file).match(/(?<= U )\w+$/gm) ?? [];
    const stubs = join(folder, 'stubs.c');
    writeFileSync(stubs, names.map((name) => `void ${name}(void) {}\n`).join(''));
    const program = join(folder, 'load-addon');
    const source = join(root, 'test/install/load-addon.c');
    output('musl-gcc', '-rdynamic', '-o', program, source, stubs, '-ldl');
    expect(output('readelf', '-lW', program)).toContain('ld-musl-x86_64.so.1');
    expect(output(program, file)).toBe('loaded\n');
  });
});
