/** The files of the addon in an installed package, and `coronet build`. Needs `npm run build`. */
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/node/addon.ts';
import { endProcesses, Process } from '../support/process/process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const addonFile = loadAddon().files.find(({ state }) => state === 'loaded')?.path as string;
const built = 'native/build/coronet.node';
const prebuilt = `prebuilds/linux-${process.arch}/coronet.node`;
const missing = 'did not load: the file does not exist';

interface Facts {
  readonly backend: string;
  readonly reason: string;
  readonly addon: {
    readonly files: readonly { readonly path: string; readonly state: string }[];
    readonly build: string | null;
  };
}

describe.runIf(process.platform === 'linux')('an installed package', () => {
  let folder: string;

  endProcesses();

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'coronet-installed-'));
    const copied = (source: string) => source !== join(root, 'native/build');
    for (const entry of ['package.json', 'dist', 'native']) {
      cpSync(join(root, entry), join(folder, entry), { recursive: true, filter: copied });
    }
    // For node-api-headers, where Node is installed without its headers.
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  function coronet(args: readonly string[], env: Readonly<Record<string, string>> = {}): Process {
    const defaults = { CORONET_BACKEND: 'auto', CORONET_ADDON: '', NODE_OPTIONS: '' };
    const main = join(folder, 'dist/cli/main.js');
    return new Process(process.execPath, [main, ...args], { env: { ...defaults, ...env } });
  }

  async function doctor(): Promise<Facts> {
    const started = coronet(['doctor', '--json']);
    expect(await started.exit).toEqual({ code: 0, signal: null });
    return JSON.parse(started.stdout) as Facts;
  }

  function put(path: string, write: (target: string) => void): void {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    write(join(folder, path));
  }

  function states({ addon: { files } }: Facts): readonly string[] {
    return files.map(({ path, state }) => `${path.slice(folder.length + 1)}: ${state}`);
  }

  it('without the addon uses portable; doctor names the files and the command', async () => {
    const facts = await doctor();
    expect(facts.backend).toBe('portable');
    expect(facts.reason).toMatch(/^No addon for linux-.*; build it: npx coronet build$/);
    expect(states(facts)).toEqual([`${built}: ${missing}`, `${prebuilt}: ${missing}`]);
    const command = `${process.execPath} ${join(folder, 'dist/cli/main.js')} build`;
    expect(facts.addon.build).toBe(command);
    const text = coronet(['doctor']);
    await text.exit;
    expect(text.stdout).toContain(`build it: ${command}\n`);
  });

  it('without the addon warns once, with the reason, when a program listens', async () => {
    const echo = coronet(['echo', '--port', '0']);
    await echo.until('it warns', () => echo.stderr.includes('CORONET_PORTABLE'));
    expect(echo.stderr.match(/No addon for linux-/g)).toHaveLength(1);
  });

  it.runIf(addonFile)('loads the prebuilt file without a build on this machine', async () => {
    put(prebuilt, (target) => copyFileSync(addonFile, target));
    const facts = await doctor();
    expect(facts).toMatchObject({ backend: 'epoll', addon: { build: null } });
    expect(states(facts)).toEqual([`${built}: ${missing}`, `${prebuilt}: loaded`]);
  });

  it.runIf(addonFile)('prefers the build of this machine to the prebuilt file', async () => {
    for (const path of [built, prebuilt]) put(path, (target) => copyFileSync(addonFile, target));
    expect(states(await doctor())).toEqual([`${built}: loaded`, `${prebuilt}: not tried`]);
  });

  it.runIf(addonFile)('loads the prebuilt file if the build of this machine fails', async () => {
    put(built, (target) => writeFileSync(target, 'not an addon'));
    put(prebuilt, (target) => copyFileSync(addonFile, target));
    const facts = await doctor();
    expect(facts.backend).toBe('epoll');
    expect(states(facts)[0]).toMatch(/native\/build\/coronet\.node: did not load: .*coronet\.node/);
    expect(states(facts)[1]).toBe(`${prebuilt}: loaded`);
  });

  it.runIf(addonFile)('coronet build compiles the addon, and again only if needed', async () => {
    const first = coronet(['build']);
    expect(await first.exit).toEqual({ code: 0, signal: null });
    expect(first.stdout).toBe(`built ${join(folder, built)}\n`);
    expect((await doctor()).backend).toBe('epoll');
    const second = coronet(['build']);
    expect(await second.exit).toEqual({ code: 0, signal: null });
    expect(second.stdout).toBe(`${join(folder, built)} is up to date\n`);
  });

  it('native/build.mjs without a compiler reports it and ends with exit code 1', async () => {
    const file = join(folder, 'native/build.mjs');
    const started = new Process(process.execPath, [file], { env: { CC: '/nonexistent/cc' } });
    expect(await started.exit).toEqual({ code: 1, signal: null });
    expect(started.stderr).toContain('The addon was not built: the C compiler "/nonexistent/cc"');
  });

  it.each([
    ['/nonexistent/cc', 'the C compiler "/nonexistent/cc" is not installed; install one: apt-get'],
    ['false', '"false" ended with 1'],
  ])('coronet build with the compiler %s ends with exit code 1', async (CC, words) => {
    const started = coronet(['build'], { CC });
    expect(await started.exit).toEqual({ code: 1, signal: null });
    expect(started.stderr).toContain(`coronet: The addon was not built: ${words}`);
    expect(started.stdout).toBe('');
  });
});
