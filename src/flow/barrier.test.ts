import { expect, test } from 'vitest';
import { play } from '../../test/support/kernel/virtual-host.ts';
import { group } from '../kernel/task/group.ts';
import { checkpoint } from '../kernel/waits.ts';
import { Barrier } from './barrier.ts';
import { Channel } from './channel.ts';
import { select } from './select/select.ts';

test('a barrier opens for n tasks at a time and returns the position of each', () => {
  const positions: number[] = [];
  play(() =>
    group(function* (g) {
      const start = new Barrier(3, 'start');
      const tasks = [1, 2, 3, 4, 5, 6].map(() => g.spawn(() => start.wait()));
      yield;
      for (const task of tasks) positions.push(yield* task.join());
      expect(start.stats()).toEqual({ name: 'start', parties: 3, waiting: 0, rounds: 2 });
    }),
  );
  expect(positions).toEqual([0, 1, 2, 0, 1, 2]);
});

test('a task that was cancelled while it waited at a barrier has not arrived', () => {
  play(() =>
    group(function* (g) {
      const start = new Barrier(2, 'start');
      const gone = g.spawn(() => start.wait());
      yield;
      expect(gone.waitingOn).toBe("barrier 'start' (1 of 2)");
      gone.cancel();
      const stays = g.spawn(() => start.wait());
      yield;
      yield;
      expect(start.stats().waiting).toBe(1);
      expect(yield* start.wait()).toBe(1);
      expect(yield* stays.join()).toBe(0);
    }),
  );
});

test('a task that has spent its budget is not overtaken at a barrier', () => {
  play(() =>
    group(function* (g) {
      const start = new Barrier(2);
      const spent = g.spawn(function* () {
        for (let i = 0; i < 128; i++) yield* checkpoint();
        return yield* start.wait();
      });
      const fresh = g.spawn(() => start.wait());
      expect([yield* spent.join(), yield* fresh.join()]).toEqual([0, 1]);
    }),
  );
});

test('two cases of one select count as one task at a barrier', () => {
  play(() =>
    group(function* (g) {
      const start = new Barrier(2);
      const other = new Channel<number>();
      const task = g.spawn(() => select({ a: start.wait(), b: start.wait(), c: other.receive() }));
      yield;
      expect(start.arrive()).toBe(true);
      expect((yield* task.join()).value).toBe(0);
      expect(start.stats()).toMatchObject({ waiting: 0, rounds: 1 });
    }),
  );
});

test('a barrier for one task never waits, and a barrier for none is a RangeError', () => {
  play(function* () {
    expect(yield* new Barrier(1).wait()).toBe(0);
  });
  expect(() => new Barrier(0)).toThrow(RangeError);
});
