/**
 * The part of `npm run build` behind the compiler: a few files instead of one for each module. Node
 * opens the files of a program side by side, so with one for each module `import 'coronet'` needs
 * seventy descriptors and takes twice as long.
 *
 *   build/compiled/**.js ──► dist/index.js, lowlevel.js, sim.js, cli/*.js ──► dist/layers/*.js
 *
 * A layer is one file, two levels below the root of the package as its modules in src/ are, so a
 * path relative to `import.meta.url` is the same in src/ and here.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

/** What is run or imported by its path. */
const ENTRIES = {
  index: 'index.js',
  lowlevel: 'lowlevel.js',
  health: 'health.js',
  sim: 'sim.js',
  workers: 'workers.js',
  'cli/main': 'cli/main.js',
  'cli/serve-worker': 'cli/serve-worker.js',
  'cli/worker': 'cli/sim/worker.js',
};

const LAYERS = ['support', 'kernel', 'flow', 'net', 'server', 'node', 'interop', 'sim'];

/** Bundles `compiled` into `dist`. Resolves to the paths of the files there, relative to it. */
export async function bundle(compiled, dist) {
  const bundled = await rolldown({
    cwd: compiled,
    input: Object.fromEntries(
      Object.entries(ENTRIES).map(([name, file]) => [name, join(compiled, file)]),
    ),
    platform: 'node',
    external: [/^node:/, 'prom-client'],
    // Modules of ours that are there for what they do, and not for what they export, stay.
    treeshake: false,
    plugins: [withSourceMaps],
  });
  const { output } = await bundled.write({
    dir: dist,
    format: 'esm',
    sourcemap: true,
    chunkFileNames: ({ moduleIds: [first = ''] }) =>
      first.startsWith(join(compiled, 'cli')) ? 'cli/[name].js' : 'layers/[name].js',
    codeSplitting: {
      groups: LAYERS.map((name) => ({ name, test: new RegExp(`/compiled/${name}/`) })),
    },
  });
  await bundled.close();
  return output.map(({ fileName }) => fileName);
}

/** Lets the maps of the result lead to the TypeScript. */
const withSourceMaps = {
  name: 'with-source-maps',
  load(id) {
    if (!id.endsWith('.js')) return null;
    return { code: readFileSync(id, 'utf8'), map: readFileSync(`${id}.map`, 'utf8') };
  },
};
