/** Fake timers of test runners, which replace the global functions while tasks run. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { realBackends } from '../../test/support/backends.ts';
import { runProgram } from '../../test/support/process/child-program.ts';
import { SERVER, TRUSTING } from '../../test/support/tls.ts';
import type { Operation } from '../kernel/operation.ts';
import { group } from '../kernel/task/group.ts';
import { sleep } from '../kernel/waits.ts';
import { connect } from '../net/tcp/connect.ts';
import { listen } from '../net/tcp/listen.ts';
import { run } from './run.ts';

const FAKED = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'queueMicrotask',
  'performance',
  'hrtime',
  'Date',
] as const;

function* exchange(options: { readonly tls: boolean }): Operation<string> {
  const listener = yield* listen('127.0.0.1:0', options.tls ? { tls: SERVER } : {});
  return yield* group(function* (tasks) {
    tasks.spawn(function* () {
      using peer = yield* listener.accept();
      yield* peer.sendAll(yield* peer.recv());
    });
    const client = options.tls ? { tls: TRUSTING } : {};
    using socket = yield* connect(listener.address, client);
    yield* socket.sendAll('echo');
    const echo = String(yield* socket.recv());
    listener.close();
    return echo;
  });
}

afterEach(() => void vi.useRealTimers());

test('a run that began before the use of fake timers continues to sleep in real time', async () => {
  const early = run(function* () {
    for (let i = 0; i < 3; i++) yield* sleep(2);
    return 'woke';
  });
  vi.useFakeTimers({ toFake: [...FAKED] });
  expect(await early).toBe('woke');
});

test('a sleep ends although the fake clock stands still', async () => {
  vi.useFakeTimers({ toFake: [...FAKED] });
  expect(await run(() => sleep(5))).toBeUndefined();
});

describe.each(realBackends)('under fake timers, on $name,', (backend) => {
  test.each([{ tls: false }, { tls: true }])('sockets move bytes with %o', async (options) => {
    vi.useFakeTimers({ toFake: [...FAKED] });
    expect(await backend.run(() => exchange(options))).toBe('echo');
  });
});

test('sleeps end under the mock timers of node:test', async () => {
  const { code, stdout } = await runProgram(`
    const { test } = await import('node:test');
    const { group, run, sleep } = coronet;
    await test('mocked', async (context) => {
      const early = run(() => sleep(5));
      context.mock.timers.enable();
      await early;
      await run(() => group(function* (tasks) {
        tasks.spawn(() => sleep(5));
        for (let i = 0; i < 5000; i++) yield;
      }));
    });
  `);
  expect(stdout).toMatch(/# pass 1|pass 1/);
  expect(code).toBe(0);
});
