/** Inherited listeners: the variables of a service manager. */
import { describe, expect, it, test } from 'vitest';
import { run } from '../node/run.ts';
import type { InheritedListener } from './inherited-listeners.ts';
import { inheritedListeners, readInherited } from './inherited-listeners.ts';
import { ready } from './ready.ts';

/** The listeners of process 7 with these variables, which must be removed. */
function inheritedWith(variables: Record<string, string>): readonly InheritedListener[] {
  const left = new Map(Object.entries({ PATH: '/bin', ...variables }));
  const listeners = readInherited({
    pid: 7,
    environment: (name) => left.get(name),
    unsetEnvironment: (name) => void left.delete(name),
  });
  expect([...left.keys()]).toEqual(['PATH']);
  return listeners;
}

describe('inherited listeners', () => {
  it('have descriptors from 3, and the name "unknown" if none is given', () => {
    expect(
      inheritedWith({ LISTEN_PID: '7', LISTEN_FDS: '3', LISTEN_FDNAMES: 'http::admin' }),
    ).toEqual([
      { fd: 3, name: 'http' },
      { fd: 4, name: 'unknown' },
      { fd: 5, name: 'admin' },
    ]);
    const named = { LISTEN_FDNAMES: 'a:b:c', LISTEN_PIDFDID: '1' };
    expect(inheritedWith({ LISTEN_PID: '7', LISTEN_FDS: '1', ...named })).toEqual([
      { fd: 3, name: 'a' },
    ]);
    expect(inheritedWith({ LISTEN_PID: '7', LISTEN_FDS: '1' })).toEqual([
      { fd: 3, name: 'unknown' },
    ]);
  });

  test.each<Record<string, string>>([
    {},
    { LISTEN_FDS: '1' },
    { LISTEN_PID: '8', LISTEN_FDS: '1' },
    { LISTEN_PID: '7', LISTEN_FDS: '0' },
    { LISTEN_PID: '7' },
  ])('are an empty list with %o', (variables) => {
    expect(inheritedWith(variables)).toEqual([]);
  });

  test.each(['', 'x', '-1', '1.5', '1e9', '4097'])('are rejected if LISTEN_FDS is %j', (count) => {
    expect(() => inheritedWith({ LISTEN_PID: '7', LISTEN_FDS: count })).toThrow(/`LISTEN_FDS`/);
  });

  it('are selected by name, in a task', async () => {
    const all = await run(function* () {
      return [inheritedListeners(), inheritedListeners('http')];
    });
    expect(all).toEqual([[], []]);
    expect(() => inheritedListeners()).toThrow(expect.objectContaining({ code: 'ERR_NO_TASK' }));
    expect(() => inheritedListeners(3 as never)).toThrow(/`name` to be a string/);
  });
});

test('ready requires a task, and has no effect without main', async () => {
  expect(() => ready()).toThrow(expect.objectContaining({ code: 'ERR_NO_TASK' }));
  await run(function* () {
    ready();
  });
});
