/** Programs that a bundler makes of Coronet, and CommonJS programs. Needs `npm run build`. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/node/addon.ts';
import { endProcesses, Process } from '../support/process/process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = fileURLToPath(new URL('bundled.mjs', import.meta.url));
const addonFile = loadAddon().files.find(({ state }) => state === 'loaded')?.path;

/** Where a bundle expects the addon, relative to its folder. */
const prebuilt = `prebuilds/linux-${process.arch}/coronet.node`;

interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

async function runFile(file: string): Promise<Output> {
  const env = { CORONET_BACKEND: 'auto', CORONET_ADDON: '', CORONET_DEBUG: '', NODE_OPTIONS: '' };
  const started = new Process(process.execPath, [file], { env });
  expect(await started.exit).toEqual({ code: 0, signal: null });
  return started;
}

describe.each(['esm', 'cjs'] as const)('a bundle of esbuild, format %s', (format) => {
  let folder: string;
  let file: string;
  let warnings: readonly unknown[];

  endProcesses();

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'coronet-bundle-'));
    file = join(folder, format === 'esm' ? 'program.mjs' : 'program.cjs');
    const alias = { coronet: join(root, 'dist') };
    const options = { bundle: true, platform: 'node', logLevel: 'silent', format, alias } as const;
    const result = await build({ ...options, entryPoints: [program], outfile: file });
    warnings = result.warnings;
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('is made without a warning', () => {
    expect(warnings).toEqual([]);
  });

  it.runIf(process.platform === 'linux')(
    'serves on the portable backend, and warns that the addon is not next to it',
    async () => {
      const { stdout, stderr } = await runFile(file);
      expect(stdout).toMatch(/^portable hello /);
      const expected = join(folder, prebuilt);
      expect(stderr).toContain(`The addon was not found next to the bundle: expected ${expected}`);
    },
  );

  it.runIf(addonFile !== undefined)('serves on epoll with the addon next to it', async () => {
    mkdirSync(dirname(join(folder, prebuilt)), { recursive: true });
    copyFileSync(addonFile as string, join(folder, prebuilt));
    const { stdout, stderr } = await runFile(file);
    expect(stdout).toMatch(/^epoll hello /);
    expect(stderr).not.toContain('addon');
  });

  it('finds the optional peer that its folder has installed', async () => {
    expect((await runFile(file)).stdout).toMatch(/ hello 501\n/);
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    expect((await runFile(file)).stdout).toMatch(/ hello 200\n/);
  });

  it('reports in debug mode the line of a task that waits', async () => {
    expect((await runFile(file)).stdout).toContain(`stuck (${format === 'esm' ? 'file://' : ''}`);
  });
});

describe('a CommonJS program', () => {
  endProcesses();

  it.runIf(process.features.require_module)('loads every entry point with require', async () => {
    const manifest = readFileSync(join(root, 'package.json'), 'utf8');
    const names = Object.keys((JSON.parse(manifest) as { exports: object }).exports);
    const source = names.map((name) => `require('coronet${name.slice(1)}')`).join(';');
    const started = new Process(process.execPath, ['--input-type=commonjs', '--eval', source]);
    expect(await started.exit).toEqual({ code: 0, signal: null });
  });
});
