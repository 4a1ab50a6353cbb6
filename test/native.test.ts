/**
 * The addon with wrong arguments, stale handles and lack of resources. Each case is a child process
 * in test/native/: a crash, a hang or a leak in it fails the test. scripts/test-native.mjs runs the
 * same cases with the sanitizers and with a stressed garbage collector, through these variables:
 *
 *   CORONET_TEST_ADDON        the build that the children load
 *   CORONET_TEST_PRELOAD      LD_PRELOAD of the children (runtime of the sanitizers)
 *   CORONET_TEST_NODE_FLAGS   options of node for the children
 *   CORONET_TEST_COLLECT      a full garbage collection every millisecond
 *   CORONET_TEST_WORKERS      the number of worker threads to start and terminate
 *   CORONET_TEST_CUT_EVERY    cut a TLS session at every nth byte only
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadAddon } from '../src/node/addon.ts';

const FOLDER = fileURLToPath(new URL('./native/', import.meta.url));
const TIMEOUT_MS = 240_000;
/** Node uses about twenty itself. */
const FEW_DESCRIPTORS = 48;

/** The sanitizers bring an allocator of their own. */
const USES_GLIBC =
  process.env['CORONET_TEST_PRELOAD'] === undefined &&
  'glibcVersionRuntime' in (process.report.getReport() as { header: object }).header;

interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

const PASSED: Outcome = { code: 0, signal: null, output: '' };

function childEnvironment(): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  const { CORONET_TEST_ADDON: addon, CORONET_TEST_PRELOAD: preload } = environment;
  if (addon !== undefined) environment['CORONET_ADDON'] = addon;
  if (preload !== undefined) environment['LD_PRELOAD'] = preload;
  return environment;
}

function nodeArguments(program: string, args: readonly string[]): string[] {
  const flags = (process.env['CORONET_TEST_NODE_FLAGS'] ?? '').split(' ').filter(Boolean);
  return ['--expose-gc', ...flags, `${FOLDER}${program}`, ...args];
}

function runProcess(command: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: childEnvironment(), timeout: TIMEOUT_MS });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      output += data;
    });
    child.on('close', (code, signal) => resolve({ code, signal, output }));
  });
}

function run(program: string, ...args: string[]): Promise<Outcome> {
  return runProcess(process.execPath, nodeArguments(program, args));
}

/** The shell lowers the limit only for the child. */
function runWithFewDescriptors(program: string): Promise<Outcome> {
  const line = `ulimit -n ${FEW_DESCRIPTORS}; exec "$0" "$@"`;
  return runProcess('/bin/sh', ['-c', line, process.execPath, ...nodeArguments(program, [])]);
}

describe.runIf(loadAddon().addon !== undefined)('the addon', { timeout: TIMEOUT_MS }, () => {
  it('throws a TypeError for wrong arguments', async () => {
    expect(await run('wrong-arguments.mjs')).toEqual(PASSED);
  });

  it('rejects a stale handle, also after its slot was reused', async () => {
    expect(await run('stale-handles.mjs')).toEqual(PASSED);
  });

  it('sets and reads socket options', async () => {
    expect(await run('options.mjs')).toEqual(PASSED);
  });

  it('does not write into collected or detached memory', async () => {
    expect(await run('memory.mjs')).toEqual(PASSED);
  });

  it.runIf(USES_GLIBC)('makes glibc keep the memory of freed buffers', async () => {
    expect(await run('freed-memory.mjs')).toEqual(PASSED);
  });

  it('receives and sends datagrams in batches, within the given memory', async () => {
    expect(await run('datagrams.mjs')).toEqual(PASSED);
  });

  it('carries TLS: data of all sizes, facts, sessions, ends and failures', async () => {
    expect(await run('tls.mjs')).toEqual(PASSED);
  });

  it('reports every TLS session that was cut, and survives changed bytes', async () => {
    expect(await run('tls-tampered.mjs')).toEqual(PASSED);
  });

  it('wakes JavaScript once per batch, runs microtasks after it, and reports errors', async () => {
    expect(await run('wake.mjs')).toEqual(PASSED);
  });

  it('leaks no descriptor in thousands of connections', async () => {
    expect(await run('churn.mjs')).toEqual(PASSED);
  });

  it('keeps a connection queued while no descriptor is left', async () => {
    expect(await runWithFewDescriptors('descriptor-limit.mjs')).toEqual(PASSED);
  });

  it('sheds queued connections with its spare descriptor', async () => {
    expect(await runWithFewDescriptors('shed.mjs')).toEqual(PASSED);
  });

  it('continues after the termination of 200 worker threads that serve a connection', async () => {
    expect(await run('workers.mjs')).toEqual(PASSED);
  });

  it('lets the process exit inside a wake-up', async () => {
    expect(await run('exit-in-wake.mjs')).toEqual({ ...PASSED, code: 7 });
  });

  it('lets a worker exit inside a wake-up', async () => {
    expect(await run('exit-in-wake.mjs', 'worker')).toEqual(PASSED);
  });

  it('does not keep a process alive', async () => {
    expect(await run('idle-exit.mjs')).toEqual(PASSED);
  });
});
