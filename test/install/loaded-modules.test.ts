/** The built-in modules that an import of the package loads. Needs `npm run build`. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { endProcesses, Process } from '../support/process/process.ts';

const dist = new URL('../../dist/', import.meta.url);

/** Prints the built-in modules that `import` loads, without those that node:net needs too. */
function program(file: string): string {
  return `
    import 'node:net';
    import 'node:module';
    const before = new Set(process.moduleLoadList);
    await import(${JSON.stringify(file)});
    const { isBuiltin } = process.getBuiltinModule('node:module');
    const loaded = process.moduleLoadList
      .filter((each) => !before.has(each))
      .map((each) => each.replace(/^NativeModule /, ''));
    console.log(JSON.stringify(loaded.filter((each) => isBuiltin(each) && !each.startsWith('_'))));
  `;
}

describe('import of', () => {
  endProcesses();

  it.each(['index', 'health', 'lowlevel', 'workers', 'ws'])(
    'coronet/%s loads no built-in module that a plain server does not need',
    async (name) => {
      const source = program(fileURLToPath(new URL(`${name}.js`, dist)));
      const env = { NODE_OPTIONS: '', CORONET_DEBUG: '' };
      const started = new Process(process.execPath, ['--input-type=module', '--eval', source], {
        env,
      });
      expect(await started.exit).toEqual({ code: 0, signal: null });
      const needed = ['os', 'perf_hooks'];
      const loaded = JSON.parse(started.stdout) as string[];
      expect(loaded.filter((each) => !needed.includes(each))).toEqual([]);
    },
  );
});
