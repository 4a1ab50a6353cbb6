/** The readiness of a program under `main`. */
import { describe, expect, test } from 'vitest';
import { FakePlatform } from '../../../test/support/server/fake-platform.ts';
import { ProgramLifecycle } from './lifecycle.ts';

function programWith(ready: 'listening' | 'manual'): ProgramLifecycle {
  const options = { graceMs: 0, lameDuckMs: 0, ready, onReady: undefined };
  return new ProgramLifecycle(new FakePlatform(), options);
}

const server = () => ({ address: {}, stats: () => ({}) });

describe('a program', () => {
  test('is not ready while all of its servers have ended', () => {
    const program = programWith('listening');
    const [first, second] = [server(), server()];
    program.serverListens(first);
    program.serverListens(second);
    program.serverEnds(first.address);
    expect(program.ready).toBe(true);
    program.serverEnds(second.address);
    expect(program.ready).toBe(false);
    expect(program.notReadyReason).toBe('all servers of the program have ended');
    program.serverListens(server());
    expect([program.ready, program.notReadyReason]).toEqual([true, undefined]);
  });

  test('with ready: "manual" is ready without a server, until it has had one', () => {
    const program = programWith('manual');
    program.becomeReady();
    expect(program.ready).toBe(true);
    const only = server();
    program.serverListens(only);
    program.serverEnds(only.address);
    expect(program.ready).toBe(false);
  });
});
