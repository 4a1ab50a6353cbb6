import { expect, test } from 'vitest';
import { play } from '../../test/support/kernel/virtual-host.ts';
import { group } from '../kernel/task/group.ts';
import { checkpoint } from '../kernel/waits.ts';
import { Barrier } from './barrier.ts';
import { Channel } from './channel.ts';
import { select } from './select/select.ts';

test('opens for n tasks at a time and tells each its place', () => {
  const places: number[] = [];
  play(() =>
    group(function* (g) {
      const start = new Barrier(3, 'start');
      const tasks = [1, 2, 3, 4, 5, 6].map(() => g.spawn(() => start.wait()));
      yield;
      for (const task of tasks) places.push(yield* task.join());
      expect(start.stats()).toEqual({ name: 'start', parties: 3, waiting: 0, rounds: 2 });
    }),
  );
  expect(places).toEqual([0, 1, 2, 0, 1, 2]);
});

test('a task that was cancelled has not come', () => {
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

test('a task that pauses first keeps its place', () => {
  play(() =>
    group(function* (g) {
      const start = new Barrier(2);
      const tired = g.spawn(function* () {
        for (let i = 0; i < 128; i++) yield* checkpoint();
        return yield* start.wait();
      });
      const fresh = g.spawn(() => start.wait());
      expect([yield* tired.join(), yield* fresh.join()]).toEqual([0, 1]);
    }),
  );
});

test('two arms of one select count as one task', () => {
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

test('a barrier for one never waits', () => {
  play(function* () {
    expect(yield* new Barrier(1).wait()).toBe(0);
  });
  expect(() => new Barrier(0)).toThrow(RangeError);
});
