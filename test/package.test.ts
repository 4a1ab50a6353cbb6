/** What users install: small, with few dependencies, and complete. Needs `npm run build` before. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies?: object;
  readonly optionalDependencies?: object;
  readonly peerDependencies?: object;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly files: readonly string[];
  readonly scripts: Readonly<Record<string, string>>;
}

interface Packed {
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

const manifest = JSON.parse(read('package.json')) as Manifest;

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** What `npm pack` would put into the tarball. npm 12 gives an object where npm 11 gave a list. */
function pack(): Packed {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const output = execFileSync('npm', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' });
  const [packed] = Object.values(JSON.parse(output) as Record<string, Packed>);
  if (packed === undefined) throw new Error(`npm pack named no package: ${output}`);
  return packed;
}

describe('the package', () => {
  let packed: Packed;
  let paths: readonly string[];
  beforeAll(() => {
    packed = pack();
    paths = packed.files.map(({ path }) => path);
  });

  it('is smaller than 1.2 MB packed, and than 4 MB with its sources in the maps unpacked', () => {
    expect(packed.size).toBeLessThan(1_200_000);
    expect(packed.unpackedSize).toBeLessThan(4_000_000);
  });

  it('has declarations that check in a strict program, every file of them', () => {
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const check = () => execFileSync(process.execPath, [tsc, '-p', 'test/package-types'], options);
    const options = { cwd: root, encoding: 'utf8', stdio: 'pipe' } as const;
    expect(check()).toBe('');
  });

  it('has no dependencies but the optional peer that CONTRIBUTING.md has a reason for', () => {
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = manifest;
    expect({ ...dependencies, ...optionalDependencies }).toEqual({});
    expect(Object.keys(peerDependencies)).toEqual(['prom-client']);
    expect(peerDependenciesMeta).toEqual({ 'prom-client': { optional: true } });
    expect(read('CONTRIBUTING.md')).toMatch('| prom-client | ');
  });

  it('runs no script when it is installed', () => {
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
    expect(Object.keys(manifest.scripts).filter((name) => hooks.includes(name))).toEqual([]);
    // npm builds a package with this file by itself, unasked.
    expect(existsSync(join(root, 'binding.gyp'))).toBe(false);
  });

  it('contains every file that its exports name, types first', () => {
    for (const target of Object.values(manifest.exports)) {
      const conditions = typeof target === 'string' ? { default: target } : target;
      for (const path of Object.values(conditions)) expect(paths).toContain(path.slice(2));
      if (typeof target === 'object') expect(Object.keys(target)).toEqual(['types', 'default']);
    }
  });

  it('contains its command, ready to be run', () => {
    for (const path of Object.values(manifest.bin)) {
      expect(paths).toContain(path);
      expect(read(path)).toMatch(/^#!\/usr\/bin\/env node\n/);
      expect(statSync(join(root, path)).mode & 0o111).toBe(0o111);
    }
  });

  it('contains what its file list names, except what only a release has', () => {
    const missing = manifest.files.filter((entry) => {
      const prefix = entry.replace(/\*.*$/, '');
      return entry !== 'prebuilds' && !paths.some((path) => path.startsWith(prefix));
    });
    expect(missing).toEqual([]);
  });

  it('contains no tests, no benchmarks and no sources of TypeScript', () => {
    const foreign = /(?:^|\/)(?:test|bench|scripts|\.ci)\/|\.test\.|(?<!\.d)\.ts$/;
    expect(paths.filter((path) => foreign.test(path))).toEqual([]);
  });
});

describe('the lockfile', () => {
  const lockfile = read('package-lock.json');

  it('names no address to fetch from, so that any registry serves', () => {
    expect(lockfile).not.toMatch(/"resolved"|\.tgz/);
  });

  it('locks nothing that wants to run a script when it is installed', () => {
    const { packages } = JSON.parse(lockfile) as {
      packages: Readonly<Record<string, { readonly hasInstallScript?: boolean }>>;
    };
    const scripted = Object.keys(packages).filter((path) => packages[path]?.hasInstallScript);
    expect(scripted).toEqual([]);
  });
});
