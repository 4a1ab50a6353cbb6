import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CommandUsageError } from '../errors.ts';
import { loadScenario } from './scenario.ts';

const folder = mkdtempSync(join(tmpdir(), 'coronet-scenario-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;

function moduleOf(text: string): string {
  const path = join(folder, `module-${++files}.mjs`);
  writeFileSync(path, text);
  return path;
}

describe('the module of coronet sim', () => {
  it('may export a scenario as its default', async () => {
    const { scenario, options } = await loadScenario(
      moduleOf('export default function* main() {}'),
    );
    expect(scenario.name).toBe('main');
    expect(options).toEqual({});
  });

  it('may export an object with a scenario and options as its default', async () => {
    const text = 'export default { *scenario() {}, options: { runs: 5 } };';
    const { scenario, options } = await loadScenario(moduleOf(text));
    expect(scenario.name).toBe('scenario');
    expect(options).toEqual({ runs: 5 });
  });

  const wrong: readonly (readonly [text: string, message: RegExp])[] = [
    ['export function* scenario() {}', /no default export: it exports scenario\.\nRight: /],
    ['', /no default export: it exports nothing\./],
    ['export default 5;', /to be a scenario, got 5\.\nRight: /],
    ['export default null;', /to be a scenario, got null\./],
    ["export default { scenario: 'main' };", /got \{ scenario: "main" \}\./],
    ['export default { *scenario() {}, options: 5 };', /got \{ scenario, options: 5 \}\./],
    ['export default { *scenario() {}, option: {} };', /also has 'option'\./],
    ["throw new Error('too early');", /failed to load\.\nError: too early\n +at /],
    ["throw 'a text';", /failed to load\.\n"a text"/],
  ];

  it.each(wrong)('is rejected: %s', async (text, message) => {
    const outcome: unknown = await loadScenario(moduleOf(text)).catch((error: unknown) => error);
    expect(outcome).toBeInstanceOf(CommandUsageError);
    expect((outcome as Error).message).toMatch(message);
  });

  it('is rejected if the file does not exist or is not a file', async () => {
    const path = moduleOf('');
    const near = path.replace('module', 'modul');
    await expect(loadScenario(near)).rejects.toThrow(
      /File '.*' does not exist\. Did you mean module-/,
    );
    await expect(loadScenario(join(folder, 'no', 'x.mjs'))).rejects.toThrow(
      /File '.*x\.mjs' does not exist\.$/,
    );
    await expect(loadScenario(folder)).rejects.toThrow(/is not a file\./);
  });

  it('is rejected if it imports another copy of Coronet', async () => {
    const packageFolder = join(folder, 'other', 'node_modules', 'coronet');
    const { mkdirSync } = await import('node:fs');
    mkdirSync(packageFolder, { recursive: true });
    const manifest = { name: 'coronet', version: '0.0.0', exports: { './sim': './sim.js' } };
    writeFileSync(join(packageFolder, 'package.json'), JSON.stringify(manifest));
    writeFileSync(join(packageFolder, 'sim.js'), '');
    const path = join(folder, 'other', 'scenario.mjs');
    writeFileSync(path, 'export default function* () {}');
    const rejected = loadScenario(path);
    await expect(rejected).rejects.toThrow(/imports the Coronet at .*other.*npx coronet sim/);
  });
});
