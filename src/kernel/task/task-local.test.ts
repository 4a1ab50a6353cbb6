import { expect, test } from 'vitest';
import { play, playGroup } from '../../../test/support/kernel/virtual-host.ts';
import { moveOnAfter } from '../scope/with-scope.ts';
import { sleep, sleepForever } from '../waits.ts';
import { TaskLocal } from './task-local.ts';

test('a TaskLocal has its initial value until it is set', () => {
  const user = new TaskLocal('anonymous');
  const seen = play(function* () {
    const before = user.get();
    user.set('me');
    yield;
    return [before, user.get()];
  });
  expect(seen).toEqual(['anonymous', 'me']);
});

test('a child inherits the value at the time of its spawn and sets its own copy', () => {
  const user = new TaskLocal('anonymous');
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

test('TaskLocal.with() restores the value, after a cancellation too', () => {
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

test('a TaskLocal outside tasks throws ERR_NO_TASK', () => {
  const user = new TaskLocal('anonymous');
  expect(() => user.get()).toThrow(expect.objectContaining({ code: 'ERR_NO_TASK' }));
});
