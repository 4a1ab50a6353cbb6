import { expect, test } from 'vitest';
import { play } from '../../test/support/kernel/virtual-host.ts';
import { currentTask } from './current.ts';
import { Parking, ParkingQueue } from './parking.ts';
import { isCancelled } from './scope/cancelled.ts';
import { scope } from './scope/with-scope.ts';
import { group } from './task/group.ts';
import { park } from './waits.ts';

class Place extends Parking {
  withdrawn = 0;

  protected override onWithdrawn(): void {
    this.withdrawn++;
  }
}

test('a parked task is resumed with the value it is woken with', () => {
  const value = play(function* () {
    const place = new Parking();
    return yield* group(function* (g) {
      const task = g.spawn(() => park<string>(place));
      yield;
      expect(place.occupied).toBe(true);
      expect(place.wake('hello')).toBe(true);
      expect(place.occupied).toBe(false);
      return yield* task.join();
    });
  });
  expect(value).toBe('hello');
});

test('every value arrives as it is, the falsy ones too', () => {
  for (const value of [undefined, null, 0, '', false, Number.NaN]) {
    const place = new Parking();
    place.wake(value);
    expect(play(() => park(place))).toBe(value);
  }
});

test('fail throws the error into the parked task', () => {
  const error = new Error('lost');
  const caught = play(function* () {
    const place = new Parking();
    yield* group(function* (g) {
      g.spawn(function* () {
        yield;
        place.fail(error);
      });
      try {
        yield* park(place);
      } catch (thrown) {
        expect(thrown).toBe(error);
      }
    });
    return 'caught';
  });
  expect(caught).toBe('caught');
});

test('a wake-up that comes before the task parks is kept for it', () => {
  const place = new Parking();
  expect(place.wake('early')).toBe(true);
  expect(place.wake('second')).toBe(false);
  expect(place.fail(new Error('third'))).toBe(false);
  expect(play(() => park(place))).toBe('early');
});

test('an error that comes before the task parks is kept for it', () => {
  const place = new Parking();
  place.fail(new Error('early'));
  expect(() => play(() => park(place))).toThrow('early');
});

test('a second task that parks in the same place gets ERR_BUSY and the first waits on', () => {
  const seen = play(function* () {
    const place = new Parking();
    return yield* group(function* (g) {
      const first = g.spawn(() => park<string>(place));
      yield;
      let code: unknown;
      try {
        yield* park(place);
      } catch (error) {
        code = (error as { code: string }).code;
      }
      place.wake('mine');
      return [code, yield* first.join()];
    });
  });
  expect(seen).toEqual(['ERR_BUSY', 'mine']);
});

test('a cancellation takes the task out of its place and queue at that moment', () => {
  const queue = new ParkingQueue<Place>();
  play(function* () {
    yield* group(function* (g) {
      const place = new Place();
      const task = g.spawn(function* () {
        queue.push(place);
        yield* park(place);
      });
      yield;
      task.cancel();
      expect([place.occupied, queue.size, place.withdrawn]).toEqual([false, 0, 1]);
      yield;
      expect(task.state).toBe('cancelled');
    });
  });
});

test('a wake-up that was granted wins over a later cancellation', () => {
  const seen: unknown[] = [];
  play(function* () {
    const place = new Place();
    yield* group(function* (g) {
      const task = g.spawn(function* () {
        seen.push(yield* park(place));
        try {
          yield;
        } catch (error) {
          seen.push(isCancelled(error));
          throw error;
        }
      });
      yield;
      place.wake('item');
      task.cancel();
    });
    expect(place.withdrawn).toBe(0);
  });
  expect(seen).toEqual(['item', true]);
});

test('parking in a cancelled scope withdraws the place, so that what was set up is undone', () => {
  const place = new Place();
  play(function* () {
    yield* scope(function* (s) {
      s.cancel();
      yield* park(place);
    });
  });
  expect([place.withdrawn, place.occupied]).toEqual([1, false]);
});

test('a queue keeps the order, and gives up its middle', () => {
  const queue = new ParkingQueue<Place>();
  const [a, b, c] = [new Place(), new Place(), new Place()];
  for (const place of [a, b, c]) queue.push(place);
  queue.remove(b);
  expect([queue.size, b.queue]).toEqual([2, null]);
  expect([queue.shift(), queue.first, queue.shift(), queue.shift()]).toEqual([a, c, c, null]);
});

test('a removed place can be pushed again, at the end', () => {
  const queue = new ParkingQueue<Place>();
  const [a, b] = [new Place(), new Place()];
  for (const place of [a, b]) queue.push(place);
  queue.remove(a);
  queue.push(a);
  expect([queue.shift(), queue.shift(), queue.size]).toEqual([b, a, 0]);
});

test('the description of a place is what the task waits on', () => {
  play(function* () {
    const place = new Parking("lock 'db'");
    yield* group(function* (g) {
      const task = g.spawn(() => park(place));
      yield;
      expect(task.waitingOn).toBe("lock 'db'");
      expect(currentTask().waitingOn).toBe('');
      place.wake();
    });
  });
});
