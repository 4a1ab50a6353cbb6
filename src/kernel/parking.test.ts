import { expect, test } from 'vitest';
import { codeThrownBy, thrownBy } from '../../test/support/kernel/operations.ts';
import { play, playGroup, playScope } from '../../test/support/kernel/virtual-host.ts';
import { currentTask } from './current.ts';
import { Parking, ParkingQueue } from './parking.ts';
import { isCancelled } from './scope/cancelled.ts';
import { group } from './task/group.ts';
import { park } from './waits.ts';

class TestParking extends Parking {
  withdrawn = 0;

  protected override onWithdrawn(): void {
    this.withdrawn++;
  }
}

test('wake resumes the parked task with the value', () => {
  const value = play(function* () {
    const parking = new Parking();
    return yield* group(function* (g) {
      const task = g.spawn(() => park<string>(parking));
      yield;
      expect(parking.occupied).toBe(true);
      expect(parking.wake('hello')).toBe(true);
      expect(parking.occupied).toBe(false);
      return yield* task.join();
    });
  });
  expect(value).toBe('hello');
});

test('wake passes falsy values unchanged', () => {
  for (const value of [undefined, null, 0, '', false, Number.NaN]) {
    const parking = new Parking();
    parking.wake(value);
    expect(play(() => park(parking))).toBe(value);
  }
});

test('fail throws the error into the parked task', () => {
  const error = new Error('lost');
  const parking = new Parking();
  const thrown = playGroup(function* (g) {
    g.spawn(function* () {
      yield;
      parking.fail(error);
    });
    return yield* thrownBy(park(parking));
  });
  expect(thrown).toBe(error);
});

test('a wake-up before the task parks is stored, and later ones are rejected', () => {
  const parking = new Parking();
  expect(parking.wake('early')).toBe(true);
  expect(parking.wake('second')).toBe(false);
  expect(parking.fail(new Error('third'))).toBe(false);
  expect(play(() => park(parking))).toBe('early');
});

test('an error before the task parks is stored and thrown when it parks', () => {
  const parking = new Parking();
  parking.fail(new Error('early'));
  expect(() => play(() => park(parking))).toThrow('early');
});

test('a second task on the same parking gets ERR_BUSY, and the first keeps waiting', () => {
  const parking = new Parking();
  const seen = playGroup(function* (g) {
    const first = g.spawn(() => park<string>(parking));
    yield;
    const code = yield* codeThrownBy(park(parking));
    parking.wake('mine');
    return [code, yield* first.join()];
  });
  expect(seen).toEqual(['ERR_BUSY', 'mine']);
});

test('a cancellation removes the task and the parking from its queue at once', () => {
  const queue = new ParkingQueue<TestParking>();
  playGroup(function* (g) {
    const parking = new TestParking();
    const task = g.spawn(function* () {
      queue.push(parking);
      yield* park(parking);
    });
    yield;
    task.cancel();
    expect([parking.occupied, queue.size, parking.withdrawn]).toEqual([false, 0, 1]);
    yield;
    expect(task.state).toBe('cancelled');
  });
});

test('a task that was woken receives the value despite a later cancellation', () => {
  const seen: unknown[] = [];
  play(function* () {
    const parking = new TestParking();
    yield* group(function* (g) {
      const task = g.spawn(function* () {
        seen.push(yield* park(parking));
        try {
          yield;
        } catch (error) {
          seen.push(isCancelled(error));
          throw error;
        }
      });
      yield;
      parking.wake('item');
      task.cancel();
    });
    expect(parking.withdrawn).toBe(0);
  });
  expect(seen).toEqual(['item', true]);
});

test('parking in a cancelled scope calls onWithdrawn', () => {
  const parking = new TestParking();
  playScope(function* (s) {
    s.cancel();
    yield* park(parking);
  });
  expect([parking.withdrawn, parking.occupied]).toEqual([1, false]);
});

test('a ParkingQueue is FIFO, and a parking in the middle can be removed', () => {
  const queue = new ParkingQueue<TestParking>();
  const [a, b, c] = [new TestParking(), new TestParking(), new TestParking()];
  for (const parking of [a, b, c]) queue.push(parking);
  queue.remove(b);
  expect([queue.size, b.queue]).toEqual([2, null]);
  expect([queue.shift(), queue.first, queue.shift(), queue.shift()]).toEqual([a, c, c, null]);
});

test('a removed parking can be pushed again to the end of a ParkingQueue', () => {
  const queue = new ParkingQueue<TestParking>();
  const [a, b] = [new TestParking(), new TestParking()];
  for (const parking of [a, b]) queue.push(parking);
  queue.remove(a);
  queue.push(a);
  expect([queue.shift(), queue.shift(), queue.size]).toEqual([b, a, 0]);
});

test('waitingOn is the description of the parking', () => {
  play(function* () {
    const parking = new Parking("lock 'db'");
    yield* group(function* (g) {
      const task = g.spawn(() => park(parking));
      yield;
      expect(task.waitingOn).toBe("lock 'db'");
      expect(currentTask().waitingOn).toBe('');
      parking.wake();
    });
  });
});
