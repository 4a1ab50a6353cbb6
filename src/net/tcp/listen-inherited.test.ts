import { expect, test } from 'vitest';
import { failureOf, play } from '../../../test/support/kernel/virtual-host.ts';
import { FakePlatform } from '../../../test/support/server/fake-platform.ts';
import type { Wait } from '../../kernel/operation.ts';
import { listen, takeFromSupervisor } from './listen.ts';

const LISTENERS = '[[":25000",3],["/run/x.sock",4],["fd:7",5]]';

function worldOf(variable: string | undefined) {
  const platform = new FakePlatform();
  if (variable !== undefined) platform.variables.set('CORONET_LISTEN', variable);
  const adopted: number[] = [];
  const adopt = (fd: number): object => {
    adopted.push(fd);
    return { tryListen: () => true, local: { path: '' } };
  };
  return { platform, network: { adopt }, adopted };
}

test('each inherited listener is returned once, and the environment variable is removed', () => {
  const world = worldOf(LISTENERS);
  const op = function* (): Generator<Wait, unknown> {
    return [':25000', ':25000', ':1'].map(takeFromSupervisor);
  };
  expect(play(op, { world })).toEqual([3, undefined, undefined]);
  expect(world.platform.variables.size).toBe(0);
});

test('listen takes over inherited listeners: at a port, at a path, as a descriptor', () => {
  const world = worldOf(LISTENERS);
  const op = function* (): Generator<Wait, void> {
    for (const address of [25000, '/run/x.sock', { fd: 7 }, { fd: 7 }]) yield* listen(address);
  };
  play(op, { world });
  expect(world.adopted).toEqual([3, 4, 5, 7]);
});

test('a process that has inherited no listener gets none', () => {
  const world = worldOf(undefined);
  const op = function* (): Generator<Wait, unknown> {
    return takeFromSupervisor(':25000');
  };
  expect(play(op, { world })).toBeUndefined();
});

for (const text of ['25000', '[25000]', '[["a","b"]]', 'none', '']) {
  test(`an environment variable that no supervisor has set is an error: '${text}'`, () => {
    const world = worldOf(text);
    const op = function* (): Generator<Wait, unknown> {
      return takeFromSupervisor(':25000');
    };
    expect(failureOf(op, { world })).toMatchObject({ code: 'ERR_ADDRESS' });
  });
}
