import { expect, test } from 'vitest';
import { codeOf, play } from '../../test/support/kernel/virtual-host.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { timeout } from '../kernel/scope/with-scope.ts';
import { group } from '../kernel/task/group.ts';
import type { Task } from '../kernel/task/task.ts';
import { checkpoint } from '../kernel/waits.ts';
import { Channel } from './channel.ts';

/** Waits for the end of `task`, which was cancelled. */
function* joinCancelled(task: Task<unknown>): Generator<Wait, void> {
  try {
    yield* task.join();
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_TASK_CANCELLED' });
  }
}

test('a send on a channel of capacity 0 returns once a task has received the item', () => {
  const log: string[] = [];
  play(() =>
    group(function* (g) {
      const channel = new Channel<string>();
      g.spawn(function* () {
        yield* channel.send('a');
        log.push('sent');
      });
      yield;
      expect(channel.stats()).toMatchObject({ buffered: 0, senders: 1 });
      log.push(yield* channel.receive());
    }),
  );
  expect(log).toEqual(['a', 'sent']);
});

test('a bounded channel accepts as many items as its capacity without waiting', () => {
  play(function* () {
    const channel = new Channel<number>(2);
    yield* channel.send(1);
    yield* channel.send(2);
    expect(channel.trySend(3)).toBe(false);
    expect(channel.size).toBe(2);
    expect(yield* channel.receive()).toBe(1);
    expect(channel.trySend(3)).toBe(true);
    expect([channel.tryReceive(), channel.tryReceive(), channel.tryReceive()]).toEqual([
      2,
      3,
      undefined,
    ]);
  });
});

test('a send on an unbounded channel never waits', () => {
  play(function* () {
    const channel = new Channel<number>(Infinity);
    for (let i = 0; i < 100_000; i++) yield* channel.send(i);
    let inOrder = true;
    for (let i = 0; i < 100_000; i++) inOrder &&= channel.tryReceive() === i;
    expect(inOrder).toBe(true);
  });
});

test('a channel serves waiting senders and receivers in FIFO order', () => {
  const log: string[] = [];
  play(() =>
    group(function* (g) {
      const channel = new Channel<string>(1);
      for (const name of ['a', 'b', 'c', 'd']) {
        g.spawn(function* () {
          yield* channel.send(name);
        });
      }
      yield;
      for (let i = 0; i < 4; i++) log.push(yield* channel.receive());
      for (const name of ['1', '2', '3']) {
        g.spawn(function* () {
          log.push(name + (yield* channel.receive()));
        });
      }
      yield;
      for (const item of ['x', 'y', 'z']) channel.trySend(item);
    }),
  );
  expect(log).toEqual(['a', 'b', 'c', 'd', '1x', '2y', '3z']);
});

test('trySend and tryReceive serve waiting tasks and never wait', () => {
  play(() =>
    group(function* (g) {
      const channel = new Channel<number>();
      expect(channel.trySend(1)).toBe(false);
      expect(channel.tryReceive()).toBeUndefined();
      const receiver = g.spawn(() => channel.receive());
      yield;
      expect(channel.trySend(2)).toBe(true);
      expect(channel.trySend(3)).toBe(false);
      expect(yield* receiver.join()).toBe(2);
      g.spawn(() => channel.send(4));
      yield;
      expect(channel.tryReceive()).toBe(4);
    }),
  );
});

test('a closed channel can be drained, and then reports its end', () => {
  play(function* () {
    const channel = new Channel<number>(3, 'jobs');
    yield* channel.send(1);
    yield* channel.send(2);
    channel.close();
    channel.close();
    expect(channel.closed).toBe(true);
    expect(channel.trySend(3)).toBe(false);
    expect(yield* channel.receive()).toBe(1);
    expect(yield* channel.next()).toEqual({ done: false, value: 2 });
    expect(yield* channel.next()).toEqual({ done: true, value: undefined });
  });
  const closed = (use: (channel: Channel<number>) => Operation<unknown>) =>
    codeOf(function* () {
      const channel = new Channel<number>(3);
      channel.close();
      yield* use(channel);
    });
  expect(closed((channel) => channel.receive())).toBe('ERR_CHANNEL_CLOSED');
  expect(closed((channel) => channel.send(1))).toBe('ERR_CHANNEL_CLOSED');
});

test('close ends waiting sends with an error and waiting receives with the end', () => {
  const outcomes: unknown[] = [];
  play(() =>
    group(function* (g) {
      const [full, empty] = [new Channel<number>(1), new Channel<number>()];
      full.trySend(0);
      for (const use of [() => full.send(1), () => empty.receive(), () => empty.next()]) {
        g.spawn(function* () {
          try {
            outcomes.push(yield* use() as Operation<unknown>);
          } catch (error) {
            outcomes.push((error as { code: string }).code);
          }
        });
      }
      yield;
      full.close();
      empty.close();
      expect(full.tryReceive()).toBe(0);
      expect(full.tryReceive()).toBeUndefined();
    }),
  );
  const code = 'ERR_CHANNEL_CLOSED';
  expect(outcomes).toEqual([code, code, { done: true, value: undefined }]);
});

test('a receive that got its item before the cancellation returns the item', () => {
  play(() =>
    group(function* (g) {
      const channel = new Channel<number>();
      const got: number[] = [];
      const task = g.spawn(function* () {
        got.push(yield* channel.receive());
        got.push(yield* channel.receive());
      });
      yield;
      expect(channel.trySend(1)).toBe(true);
      task.cancel();
      expect(channel.trySend(2)).toBe(false);
      yield* joinCancelled(task);
      expect(got).toEqual([1]);
      expect(task.state).toBe('cancelled');
    }),
  );
});

test('an operation in a cancelled scope throws, even if it would not wait', () => {
  play(() =>
    group(function* (g) {
      const channel = new Channel<number>(5);
      let cancellations = 0;
      const task = g.spawn(function* () {
        for (let i = 0; i < 3; i++) {
          try {
            yield* channel.send(i);
          } catch {
            cancellations++;
          }
        }
      });
      task.cancel();
      yield* task.join();
      expect([cancellations, channel.size]).toEqual([3, 0]);
    }),
  );
});

test('the 128th operation takes effect, and returns after the other tasks have run', () => {
  const log: string[] = [];
  play(() =>
    group(function* (g) {
      const channel = new Channel<number>(Infinity);
      g.spawn(function* () {
        for (let i = 1; i <= 128; i++) yield* channel.send(i);
        log.push('all sent');
      });
      g.spawn(function* () {
        yield* checkpoint();
        log.push(`other sees ${channel.size}`);
      });
      yield;
    }),
  );
  expect(log).toEqual(['other sees 128', 'all sent']);
});

test('a task that ignores the errors of a closed channel does not starve other tasks', () => {
  let failures = 0;
  const seen = play(() =>
    group(function* (g) {
      const channel = new Channel<number>();
      channel.close();
      let stop = false;
      g.spawn(function* () {
        while (!stop) {
          try {
            yield* channel.receive();
          } catch {
            failures++;
          }
        }
      });
      yield;
      stop = true;
      return failures;
    }),
  );
  expect(seen).toBe(127);
});

test('a cancellation does not undo an operation that has spent the budget', () => {
  play(() =>
    group(function* (g) {
      const channel = new Channel<string>(Infinity);
      channel.trySend('item');
      const got: string[] = [];
      const receiver = g.spawn(function* () {
        for (let i = 0; i < 127; i++) yield* checkpoint();
        got.push(yield* channel.receive());
        got.push(yield* channel.receive());
      });
      yield;
      expect(channel.stats().received).toBe(1);
      receiver.cancel();
      channel.trySend('next');
      yield* joinCancelled(receiver);
      expect([got, channel.size]).toEqual([['item'], 1]);
    }),
  );
});

test('a receiver that has spent its budget is not overtaken', () => {
  const log: string[] = [];
  play(() =>
    group(function* (g) {
      const channel = new Channel<string>(Infinity);
      channel.trySend('first');
      channel.trySend('second');
      g.spawn(function* () {
        for (let i = 0; i < 128; i++) yield* checkpoint();
        log.push(`spent ${yield* channel.receive()}`);
      });
      g.spawn(function* () {
        log.push(`fresh ${yield* channel.receive()}`);
      });
      yield;
    }),
  );
  expect(log.sort()).toEqual(['fresh second', 'spent first']);
});

test.each([0, 1, Infinity])(
  'a sender that has spent its budget is not overtaken (capacity %d)',
  (capacity) => {
    const log: string[] = [];
    play(() =>
      group(function* (g) {
        const channel = new Channel<string>(capacity);
        g.spawn(function* () {
          for (let i = 0; i < 128; i++) yield* checkpoint();
          yield* channel.send('spent');
        });
        g.spawn(() => channel.send('fresh'));
        g.spawn(function* () {
          for (let i = 0; i < 2; i++) log.push(yield* channel.receive());
        });
        yield;
      }),
    );
    expect(log).toEqual(['spent', 'fresh']);
  },
);

test('waitingOn and stats name the channel', () => {
  play(() =>
    group(function* (g) {
      const channel = new Channel<number>(0, 'jobs');
      const receiver = g.spawn(() => channel.receive());
      yield;
      expect(receiver.waitingOn).toBe("receive from channel 'jobs'");
      channel.trySend(1);
      const sender = g.spawn(() => channel.send(2));
      yield;
      yield;
      expect(sender.waitingOn).toBe("send to channel 'jobs'");
      const stats = channel.stats();
      expect(Object.isFrozen(stats)).toBe(true);
      expect(stats).toEqual({
        name: 'jobs',
        capacity: 0,
        buffered: 0,
        senders: 1,
        receivers: 0,
        sent: 1,
        received: 1,
        closed: false,
      });
      channel.tryReceive();
    }),
  );
});

test('a receive that times out takes no item', () => {
  play(function* () {
    const channel = new Channel<number>();
    try {
      yield* timeout(5, channel.receive());
    } catch (error) {
      expect(String(error)).toContain('receive from channel');
    }
    expect(channel.stats().receivers).toBe(0);
    expect(channel.trySend(1)).toBe(false);
  });
});

test('an operation of a channel is single-use, and Channel checks its arguments', () => {
  const again = codeOf(function* () {
    const receive = new Channel<number>(1).send(1);
    yield* receive;
    yield* receive;
  });
  expect(again).toBe('ERR_ALREADY_DRIVEN');
  expect(() => new Channel(-1)).toThrow(RangeError);
  expect(() => new Channel(1.5)).toThrow('Expected `capacity` to be a whole number ≥ 0');
  expect(() => new Channel('1' as never)).toThrow(TypeError);
  expect(() => new Channel(1, 7 as never)).toThrow(
    'Expected `name` to be a string, got 7 (number)',
  );
});
