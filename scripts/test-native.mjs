/**
 * `npm run test:native` runs the tests of the addon in three configurations:
 *
 *   1. the release build
 *   2. a build with AddressSanitizer and UndefinedBehaviorSanitizer, with their runtime preloaded.
 *      Leak detection is off, because V8 itself leaks on exit; the tests count sockets, slabs and
 *      handles instead
 *   3. the release build under garbage collector stress: a full collection every millisecond,
 *      scavenges in between, and page compaction. Memory that the addon uses without a reference
 *      is then freed or moved
 *
 * Needs Linux and gcc. Stops at the first failure.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { buildAddon } from '../native/build.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const VITEST = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const SANITIZED = fileURLToPath(new URL('../native/build/coronet-asan.node', import.meta.url));

/** Edge cases of the addon, each in a child process, and the tests of the backend that uses it. */
const NATIVE = 'test/native.test.ts';
const BACKEND = 'src/node/epoll';

/** V8 ignores --gc-interval in release builds, but not these flags. */
const STRESS = ['--stress-scavenge=20', '--stress-compaction', '--max-semi-space-size=1'];

/** The sanitizers and the collections are slow. */
const FEWER = { CORONET_TEST_WORKERS: '40', CORONET_TEST_CUT_EVERY: '7' };

function run(title, command, args, environment = {}) {
  console.log(`\n== ${title}`);
  const env = { ...process.env, ...environment };
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', env });
  if (status !== 0) process.exit(status ?? 1);
}

function vitest(title, files, { environment = {}, options = [] } = {}) {
  const args = [VITEST, 'run', '--testTimeout=60000', ...options, ...files];
  run(title, process.execPath, args, environment);
}

/** The path of a runtime library of the compiler. */
function runtimeLibrary(name) {
  return execFileSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
}

function sanitized() {
  const libraries = `${runtimeLibrary('libasan.so')}:${runtimeLibrary('libubsan.so')}`;
  const options = {
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  };
  const loaded = { CORONET_TEST_ADDON: SANITIZED, CORONET_TEST_PRELOAD: libraries };
  const children = { ...options, ...loaded, ...FEWER };
  const whole = { ...options, CORONET_ADDON: SANITIZED, LD_PRELOAD: libraries };
  vitest('edge cases, sanitizers', [NATIVE], { environment: children });
  vitest('the epoll backend, sanitizers', [BACKEND], { environment: whole });
}

function stressed() {
  const flags = { CORONET_TEST_NODE_FLAGS: STRESS.join(' '), CORONET_TEST_COLLECT: '1' };
  const environment = { ...FEWER, ...flags };
  vitest('edge cases, garbage collector stress', [NATIVE], { environment });
  const options = STRESS.map((flag) => `--execArgv=${flag}`);
  vitest('the epoll backend, garbage collector stress', [BACKEND], { options });
}

buildAddon();
buildAddon({ sanitize: true });
vitest('release build', [NATIVE, BACKEND]);
sanitized();
stressed();
