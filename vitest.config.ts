/**
 * The configuration of the tests: unit tests are next to their sources, all others in test/.
 * `CORONET_DEBUG=1 npm run test:unit` runs them in debug mode; it is off unless the caller sets it.
 */
import { fileURLToPath } from 'node:url';
import type { ViteUserConfig } from 'vitest/config';

function source(name: string): string {
  return fileURLToPath(new URL(`./src/${name}`, import.meta.url));
}

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
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
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
