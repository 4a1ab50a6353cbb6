import { expect, test } from 'vitest';
import { play } from '../../test/support/kernel/virtual-host.ts';
import { group } from '../kernel/task/group.ts';
import { Event } from './event.ts';

test('event.set wakes the waiting tasks, and later waits return at once', () => {
  play(() =>
    group(function* (g) {
      const event = new Event('ready');
      const tasks = [g.spawn(() => event.wait()), g.spawn(() => event.wait())];
      yield;
      expect(tasks[0]?.waitingOn).toBe("event 'ready'");
      expect(event.stats()).toEqual({ name: 'ready', isSet: false, waiters: 2 });
      event.set();
      event.set();
      for (const task of tasks) yield* task.join();
      yield* event.wait();
      expect(event.isSet).toBe(true);
    }),
  );
});

test('a task that waits when the event is set is woken even if clear follows at once', () => {
  play(() =>
    group(function* (g) {
      const event = new Event();
      const early = g.spawn(() => event.wait());
      yield;
      event.set();
      event.clear();
      const late = g.spawn(() => event.wait());
      yield* early.join();
      expect(late.waitingOn).toBe('event');
      late.cancel();
    }),
  );
});
