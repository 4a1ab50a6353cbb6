/**
 * `npm run build`: compiles src/ to build/compiled/, bundles the result into dist/ next to the
 * declarations, then builds the native addon if that is possible: the portable backend does
 * not need it.
 *
 *   build/compiled/**.js ──► dist/index.js, sim.js, …, cli/*.js ──► dist/bundles/*.js
 *
 * Bundles, because Node opens the modules of a program at the same time: with one file for each
 * module, `import 'coronet'` needs seventy descriptors and takes twice as long. A file costs about
 * a millisecond, so all that `import 'coronet'` needs is in one; what only another entry point
 * needs is in a file of its own.
 *
 * dist/ is updated in place and stale files are removed afterwards, so that a program that runs
 * from dist/ during a build finds every file.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { AddonUnavailable, buildAddon } from '../native/build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const compiled = join(root, 'build/compiled');

/** Modules that are imported or started by path: their bundles in dist/, without extension. */
const ENTRIES = {
  index: 'index.js',
  lowlevel: 'lowlevel.js',
  health: 'health.js',
  inspect: 'inspect.js',
  sim: 'sim.js',
  topics: 'topics.js',
  workers: 'workers.js',
  ws: 'ws.js',
  'cli/main': 'cli/main.js',
  'cli/serve-worker': 'cli/serve-worker.js',
  'cli/story-page': 'cli/sim/story/story-page.js',
  'cli/thread-main': 'cli/sim/thread-main.js',
};

/**
 * The files in dist/bundles/. A module goes into the first one that matches it or that has a module
 * which imports it.
 */
const BUNDLES = {
  core: /compiled\/(kernel|flow|net|(inspect|server)\/[\w-]+\.|node\/(?!sim|tra)|interop)|rolldown/,
  trace: /\/compiled\/(?:inspect\/trace\/|node\/trace-file)/,
  sim: /\/compiled\/(?:sim\/|node\/simulation-support)/,
  ws: /\/compiled\/ws\//,
  topics: /\/compiled\/topics\//,
  health: /\/compiled\/server\/health\//,
  workers: /\/compiled\/server\/workers\//,
};

/**
 * Makes the source maps of the bundles point to the TypeScript files. The live page is text, which
 * a source map would only repeat.
 */
const withSourceMaps = {
  name: 'with-source-maps',
  load(id) {
    if (!id.endsWith('.js')) return null;
    const isText = id.includes('/inspect/page/');
    const map = isText ? { mappings: '' } : readFileSync(`${id}.map`, 'utf8');
    return { code: readFileSync(id, 'utf8'), map };
  },
};

/**
 * `import` of a built-in module makes Node wrap it, for which it reads all its properties. That
 * loads modules that only some of them need: streams of files, MIME types, `parseArgs`.
 */
const withoutWrappers = {
  name: 'without-wrappers',
  renderChunk(code) {
    const changed = code.replace(/^import (.+) from "(node:.+)";$/gm, (_, names, id) => {
      const target = names.replace(/^\* as /, '').replaceAll(' as ', ': ');
      return `const ${target} = process.getBuiltinModule("${id}");`;
    });
    return { code: changed, map: null };
  },
};

/** V8 stores and scans a file with other characters as two bytes for each. */
const withAsciiOnly = {
  name: 'with-ascii-only',
  renderChunk(code) {
    const escaped = (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
    return { code: code.replace(/[^\0-\x7f]/g, escaped), map: null };
  },
};

runNode('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
removeStaleFiles(await bundle());
chmodSync(join(dist, 'cli/main.js'), 0o755);
try {
  buildAddon();
} catch (error) {
  if (!(error instanceof AddonUnavailable)) throw error;
  console.error(`build: without the addon: ${error.message}`);
}

/** Runs a script of this checkout. If it fails, the build ends with its exit code. */
function runNode(script, ...args) {
  const { status, error } = spawnSync(process.execPath, [join(root, script), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** Bundles build/compiled/ into dist/. Resolves to the paths of the bundles, relative to dist/. */
async function bundle() {
  const bundled = await rolldown({
    cwd: compiled,
    input: Object.fromEntries(
      Object.entries(ENTRIES).map(([name, file]) => [name, join(compiled, file)]),
    ),
    platform: 'node',
    external: [/^node:/, 'prom-client'],
    // Modules that are imported for their side effects only must stay.
    treeshake: { moduleSideEffects: true },
    plugins: [withSourceMaps, withoutWrappers, withAsciiOnly],
  });
  const { output } = await bundled.write({
    dir: dist,
    format: 'esm',
    sourcemap: true,
    // The source maps contain them. Without them the package loads faster.
    comments: { jsdoc: false },
    chunkFileNames: ({ moduleIds: [first = ''] }) =>
      first.startsWith(join(compiled, 'cli')) ? 'cli/[name].js' : 'bundles/[name].js',
    codeSplitting: {
      groups: Object.entries(BUNDLES).map(([name, test]) => ({ name, test })),
    },
  });
  await bundled.close();
  return output.map(({ fileName }) => fileName);
}

/** Removes files that are neither one of the bundles nor the declarations of a source file. */
function removeStaleFiles(bundles) {
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const file = relative(dist, path);
    const source = join(root, 'src', file.replace(/\.d\.ts$/, '.ts'));
    const isDeclaration = file.endsWith('.d.ts') && existsSync(source);
    if (!isDeclaration && !bundles.includes(file)) rmSync(path);
  }
}
