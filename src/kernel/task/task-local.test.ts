import { expect, test } from 'vitest';
import { play, playGroup } from '../../../test/support/kernel/virtual-host.ts';
import { moveOnAfter } from '../scope/with-scope.ts';
import { sleep, sleepForever } from '../waits.ts';
import { TaskLocal } from './task-local.ts';

test('a task local has its initial value until it is set', () => {
  const user = new TaskLocal('nobody');
  const seen = play(function* () {
    const before = user.get();
    user.set('me');
    yield;
    return [before, user.get()];
  });
  expect(seen).toEqual(['nobody', 'me']);
});

test('children inherit the value at the moment of spawning, and keep theirs to themselves', () => {
  const user = new TaskLocal('nobody');
  const seen = playGroup(function* (g) {
    user.set('parent');
    const child = g.spawn(function* () {
      const inherited = user.get();
      user.set('child');
      yield* sleep(1);
      return [inherited, user.get()];
    });
    user.set('later');
    return [yield* child.join(), user.get()];
  });
  expect(seen).toEqual([['parent', 'child'], 'later']);
});

test('with sets the value back, also when it is cancelled', () => {
  const user = new TaskLocal<string | undefined>(undefined);
  const seen = play(function* () {
    const inside = yield* user.with('guest', function* () {
      return user.get();
    });
    yield* moveOnAfter(5, user.with('late', sleepForever()));
    return [inside, user.get()];
  });
  expect(seen).toEqual(['guest', undefined]);
});

test('a task local can be used inside of tasks only', () => {
  const user = new TaskLocal('nobody');
  expect(() => user.get()).toThrow(expect.objectContaining({ code: 'ERR_NO_TASK' }));
});
