/**
 * The tests of the addon in three ways:
 *
 *   1. as it is shipped
 *   2. built with AddressSanitizer and UndefinedBehaviorSanitizer, their runtime preloaded (leak
 *      detection is off: V8 itself leaks on exit; the tests count sockets, slabs and handles)
 *   3. with a garbage collector under stress: collections at short intervals, pages compacted, so
 *      that whatever the addon forgot to hold is gone or has moved
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
const NETWORK = 'src/node/epoll.test.ts';

const STRESS = ['--gc-interval=400', '--stress-compaction', '--stress-scavenge=50'];

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
  const environment = {
    CORONET_ADDON: SANITIZED,
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  };
  const children = { ...environment, ...FEWER_WORKERS, CORONET_TEST_PRELOAD: libraries };
  const whole = { ...environment, LD_PRELOAD: libraries };
  vitest('hard cases, sanitized', [NATIVE], { environment: children });
  vitest('the network, sanitized', [NETWORK], { environment: whole });
}

function stressed() {
  const flags = { ...FEWER_WORKERS, CORONET_TEST_NODE_FLAGS: STRESS.join(' ') };
  vitest('hard cases, collector under stress', [NATIVE], { environment: flags });
  const options = ['--expose-gc', '--stress-compaction'].map((flag) => `--execArgv=${flag}`);
  vitest('the network, collector under stress', [NETWORK], { options });
}

build();
build('--sanitize');
vitest('as shipped', [NATIVE, NETWORK]);
sanitized();
stressed();
