/** The package that `npm pack` makes is small and complete. Needs `npm run build` first. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Manifest {
  readonly allowScripts: Readonly<Record<string, boolean>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies?: object;
  readonly optionalDependencies?: object;
  readonly peerDependencies: object;
  readonly peerDependenciesMeta: object;
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

/** The contents of the tarball. `npm pack` prints an object (npm 12) or a list (npm 11). */
function pack(): Packed {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const output = execFileSync('npm', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' });
  const [packed] = Object.values(JSON.parse(output) as Record<string, Packed>);
  if (packed === undefined) throw new Error(`npm pack reported no package: ${output}`);
  return packed;
}

describe('the npm package', () => {
  let packed: Packed;
  let paths: readonly string[];
  beforeAll(() => {
    packed = pack();
    paths = packed.files.map(({ path }) => path);
  });

  it('has at most 1.4 MB packed, and 5 MB unpacked with the sources in the source maps', () => {
    expect(packed.size).toBeLessThan(1_400_000);
    expect(packed.unpackedSize).toBeLessThan(5_000_000);
  });

  it('has declaration files that compile in a strict program without skipLibCheck', () => {
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const check = () => execFileSync(process.execPath, [tsc, '-p', 'test/package-types'], options);
    const options = { cwd: root, encoding: 'utf8', stdio: 'pipe' } as const;
    expect(check()).toBe('');
  });

  it('has no dependency except the optional peers that CONTRIBUTING.md lists with a reason', () => {
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = manifest;
    expect({ ...dependencies, ...optionalDependencies }).toEqual({});
    expect(Object.keys(peerDependencies)).toEqual(['@nats-io/transport-node', 'prom-client', 'ws']);
    for (const name of Object.keys(peerDependencies)) {
      expect(peerDependenciesMeta).toMatchObject({ [name]: { optional: true } });
      expect(read('CONTRIBUTING.md')).toMatch(`| ${name} | `);
    }
  });

  it('runs no script when it is installed from a registry', () => {
    const hooks = ['preinstall', 'install', 'postinstall', 'prepublish'];
    expect(Object.keys(manifest.scripts).filter((name) => hooks.includes(name))).toEqual([]);
    // npm runs node-gyp in a package that contains this file.
    expect(existsSync(join(root, 'binding.gyp'))).toBe(false);
  });

  it('contains every file that its exports name, with the condition `types` first', () => {
    for (const target of Object.values(manifest.exports)) {
      const conditions = typeof target === 'string' ? { default: target } : target;
      for (const path of Object.values(conditions)) expect(paths).toContain(path.slice(2));
      if (typeof target === 'object') expect(Object.keys(target)).toEqual(['types', 'default']);
    }
  });

  it('contains the command as an executable file', () => {
    for (const path of Object.values(manifest.bin)) {
      expect(paths).toContain(path);
      expect(read(path)).toMatch(/^#!\/usr\/bin\/env node\n/);
      expect(statSync(join(root, path)).mode & 0o111).toBe(0o111);
    }
  });

  it('contains every entry of its file list; prebuilds only where their compilers are', () => {
    const missing = manifest.files.filter((entry) => {
      const prefix = entry.replace(/\*.*$/, '');
      return entry !== 'prebuilds' && !paths.some((path) => path.startsWith(prefix));
    });
    expect(missing).toEqual([]);
  });

  it('contains no tests, benchmarks or TypeScript sources', () => {
    const foreign = /(?:^|\/)(?:test|bench|scripts|\.ci)\/|\.test\.|(?<!\.d)\.ts$/;
    expect(paths.filter((path) => foreign.test(path))).toEqual([]);
  });
});

describe('package-lock.json', () => {
  const lockfile = read('package-lock.json');
  const { packages } = JSON.parse(lockfile) as {
    packages: Readonly<Record<string, { readonly hasInstallScript?: boolean }>>;
  };

  it('contains no download address, so that it works with any registry', () => {
    expect(lockfile).not.toMatch(/"resolved"|\.tgz/);
  });

  it('locks no package with an install script, except those that package.json denies it', () => {
    const scripted = Object.keys(packages).filter((path) => packages[path]?.hasInstallScript);
    const denied = Object.keys(manifest.allowScripts).map((name) => `node_modules/${name}`);
    expect(scripted).toEqual(denied);
    expect(Object.values(manifest.allowScripts)).toEqual(denied.map(() => false));
  });

  it('has no field that one version of npm writes and another one removes', () => {
    expect(Object.values(packages).filter((entry) => 'libc' in entry)).toEqual([]);
  });
});
