/**
 * The configuration of the tests: unit tests are next to their sources, all others in test/.
 * `CORONET_DEBUG=1 npm run test:unit` runs them in debug mode; it is off unless the caller sets it.
 */
import { fileURLToPath } from 'node:url';
import type { ViteUserConfig } from 'vitest/config';

function source(name: string): string {
  return fileURLToPath(new URL(`./src/${name}`, import.meta.url));
}

/**
 * Tests that need a process that has run no other file: they replace modules, or depend on memory
 * and counters of the process.
 */
const FRESH_PROCESS: string[] = [
  'src/kernel/task/undriven.test.ts',
  'src/node/epoll/slab.test.ts',
  'src/node/host.test.ts',
  'src/node/peers/prometheus-page.test.ts',
  'src/node/process/unix-socket.test.ts',
  'src/node/tls/lingering-close.test.ts',
  'src/server/reporter.test.ts',
];
/** Tests that share their processes, which saves most of the time for loading modules. */
const SHARED_PROCESS: string[] = ['src/**/*.test.ts', 'test/conformance/**/*.test.ts'];

const config: ViteUserConfig = {
  // The examples import the package by its name, as a user does.
  resolve: {
    alias: [
      { find: /^coronet$/, replacement: source('index.ts') },
      { find: /^coronet\/lowlevel$/, replacement: source('lowlevel.ts') },
      { find: /^coronet\/health$/, replacement: source('health.ts') },
      { find: /^coronet\/inspect$/, replacement: source('inspect.ts') },
      { find: /^coronet\/sim$/, replacement: source('sim.ts') },
      { find: /^coronet\/ws$/, replacement: source('ws.ts') },
      { find: /^coronet\/topics$/, replacement: source('topics.ts') },
      { find: /^coronet\/workers$/, replacement: source('workers.ts') },
    ],
  },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          include: SHARED_PROCESS,
          exclude: FRESH_PROCESS,
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'fresh',
          include: [...FRESH_PROCESS, 'test/**/*.test.ts'],
          exclude: ['test/conformance/**'],
        },
      },
    ],
    pool: 'forks',
    maxWorkers: 2,
    // Tests of leaks ask for a garbage collection.
    execArgv: ['--expose-gc'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 5_000,
    // Without the addon, programs warn of the portable backend; tests compare standard error.
    env: {
      NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --disable-warning=CORONET_PORTABLE`,
    },
    coverage: {
      provider: 'v8',
      reporter: ['text'],
      include: ['src/**/*.ts'],
      exclude: ['src/**/*.test.ts'],
    },
  },
};

export default config;
