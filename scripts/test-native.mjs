/**
 * The tests of the addon in three ways:
 *
 *   1. as it is shipped
 *   2. built with AddressSanitizer and UndefinedBehaviorSanitizer, their runtime preloaded (leak
 *      detection is off: V8 itself leaks on exit; the tests count sockets, slabs and handles)
 *   3. with a garbage collector under stress: a full collection every millisecond, many small ones
 *      between, pages compacted, so that what the addon forgot to hold is gone or has moved
 *
 * Needs Linux and gcc. Ends with the first failure.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const VITEST = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const SANITIZED = fileURLToPath(new URL('../native/build/coronet-asan.node', import.meta.url));

/** Child processes, each a hard case, and the behaviour of the network on top. */
const NATIVE = 'test/native.test.ts';
const NETWORK = 'src/node/epoll';

/** V8's --gc-interval does nothing in release builds; these do. */
const STRESS = ['--stress-scavenge=20', '--stress-compaction', '--max-semi-space-size=1'];

/** Collections and checks make everything slower; the number of workers is not the point there. */
const FEWER_WORKERS = { CORONET_TEST_WORKERS: '40' };

function run(title, command, args, environment = {}) {
  console.log(`\n== ${title}`);
  const env = { ...process.env, ...environment };
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', env });
  if (status !== 0) process.exit(status ?? 1);
}

function build(...options) {
  run(`build ${options.join(' ')}`, process.execPath, ['native/build.mjs', ...options]);
}

function vitest(title, files, { environment = {}, options = [] } = {}) {
  const args = [VITEST, 'run', '--testTimeout=60000', ...options, ...files];
  run(title, process.execPath, args, environment);
}

/** Where the compiler keeps a runtime library. */
function runtime(name) {
  return execFileSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
}

function sanitized() {
  const libraries = `${runtime('libasan.so')}:${runtime('libubsan.so')}`;
  const options = {
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  };
  const loaded = { CORONET_TEST_ADDON: SANITIZED, CORONET_TEST_PRELOAD: libraries };
  const children = { ...options, ...loaded, ...FEWER_WORKERS };
  const whole = { ...options, CORONET_ADDON: SANITIZED, LD_PRELOAD: libraries };
  vitest('hard cases, sanitized', [NATIVE], { environment: children });
  vitest('the network, sanitized', [NETWORK], { environment: whole });
}

function stressed() {
  const flags = { CORONET_TEST_NODE_FLAGS: STRESS.join(' '), CORONET_TEST_COLLECT: '1' };
  const environment = { ...FEWER_WORKERS, ...flags };
  vitest('hard cases, collector under stress', [NATIVE], { environment });
  const options = STRESS.map((flag) => `--execArgv=${flag}`);
  vitest('the network, collector under stress', [NETWORK], { options });
}

build();
build('--sanitize');
vitest('as shipped', [NATIVE, NETWORK]);
sanitized();
stressed();
