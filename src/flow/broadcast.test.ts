import { expect, test } from 'vitest';
import { codeOf, play } from '../../test/support/kernel/virtual-host.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { group } from '../kernel/task/group.ts';
import { checkpoint, sleep } from '../kernel/waits.ts';
import { Broadcast } from './broadcast.ts';
import { select } from './select/select.ts';
import type { SlowPolicy, Subscription } from './subscription.ts';

/** Receives the buffered items of `subscription`. */
function* drain<T>(subscription: Subscription<T>): Generator<Wait, T[]> {
  const items: T[] = [];
  while (subscription.stats().buffered > 0) items.push((yield* subscription.next()).value as T);
  return items;
}

test('a subscription receives every item that is sent after subscribe', () => {
  play(function* () {
    const news = new Broadcast<number>({ capacity: 10 }, 'news');
    yield* news.send(0);
    const first = news.subscribe();
    yield* news.send(1);
    const second = news.subscribe();
    yield* news.send(2);
    expect(yield* drain(first)).toEqual([1, 2]);
    expect(yield* drain(second)).toEqual([2]);
    expect(news.stats()).toEqual({
      name: 'news',
      capacity: 10,
      slow: 'wait',
      subscriptions: 2,
      senders: 0,
      sent: 3,
      dropped: 0,
      closed: false,
    });
  });
});

test('a task that waits in next receives the item without buffering', () => {
  play(() =>
    group(function* (g) {
      const news = new Broadcast<string>({}, 'news');
      const subscription = news.subscribe();
      const task = g.spawn(() => subscription.next());
      yield;
      expect(task.waitingOn).toBe("receive from broadcast 'news'");
      expect(news.trySend('a')).toBe(true);
      expect(yield* task.join()).toEqual({ done: false, value: 'a' });
      expect(subscription.stats()).toMatchObject({ buffered: 0, received: 1 });
    }),
  );
});

test("a broadcast with slow: 'wait' makes senders wait for the slowest subscription", () => {
  play(() =>
    group(function* (g) {
      const news = new Broadcast<number>({ capacity: 1, slow: 'wait' }, 'news');
      const [slow, fast] = [news.subscribe(), news.subscribe()];
      yield* news.send(1);
      expect((yield* fast.next()).value).toBe(1);
      expect(news.trySend(9)).toBe(false);
      const senders = [2, 3].map((item) => g.spawn(() => news.send(item)));
      yield;
      expect(senders[0]?.waitingOn).toBe("send to broadcast 'news'");
      expect(fast.stats().buffered).toBe(0);
      expect((yield* slow.next()).value).toBe(1);
      expect((yield* fast.next()).value).toBe(2);
      expect((yield* slow.next()).value).toBe(2);
      expect((yield* fast.next()).value).toBe(3);
      slow.close();
      yield* news.send(4);
      expect(yield* drain(fast)).toEqual([4]);
    }),
  );
});

test.each<[SlowPolicy, number[]]>([
  ['drop-oldest', [3, 4]],
  ['drop-newest', [1, 2]],
])("a broadcast with slow: '%s' drops and counts items and never waits", (slow, left) => {
  play(function* () {
    const news = new Broadcast<number>({ capacity: 2, slow });
    const subscription = news.subscribe();
    for (const item of [1, 2, 3, 4]) yield* news.send(item);
    expect(subscription.stats().dropped).toBe(2);
    expect(news.stats().dropped).toBe(2);
    expect(yield* drain(subscription)).toEqual(left);
  });
});

test("a broadcast with slow: 'fail' ends only the slow subscription, after its items", () => {
  const code = codeOf(function* () {
    const news = new Broadcast<number>({ capacity: 1, slow: 'fail' });
    const [slow, fast] = [news.subscribe(), news.subscribe()];
    for (const item of [1, 2, 3]) {
      yield* news.send(item);
      expect((yield* fast.next()).value).toBe(item);
    }
    expect(news.stats()).toMatchObject({ subscriptions: 1, dropped: 1 });
    expect((yield* slow.next()).value).toBe(1);
    yield* slow.next();
  });
  expect(code).toBe('ERR_SUBSCRIBER_SLOW');
});

test('close ends subscriptions after their items, and waiting senders with an error', () => {
  play(() =>
    group(function* (g) {
      const news = new Broadcast<number>({ capacity: 1 });
      const [full, empty] = [news.subscribe(), news.subscribe()];
      news.trySend(1);
      expect((yield* empty.next()).value).toBe(1);
      const waiter = g.spawn(() => empty.next());
      const codes: string[] = [];
      g.spawn(function* () {
        try {
          yield* news.send(2);
        } catch (error) {
          codes.push((error as { code: string }).code);
        }
      });
      yield;
      news.close();
      expect(news.trySend(3)).toBe(false);
      expect((yield* waiter.join()).done).toBe(true);
      expect(yield* full.next()).toEqual({ done: false, value: 1 });
      expect((yield* full.next()).done).toBe(true);
      expect((yield* news.subscribe().next()).done).toBe(true);
      expect(codes).toEqual(['ERR_BROADCAST_CLOSED']);
    }),
  );
});

test('a subscription that is closed ends its waiting next and drops its buffered items', () => {
  play(() =>
    group(function* (g) {
      const news = new Broadcast<number>({ capacity: 5 });
      const subscription = news.subscribe();
      const waiter = g.spawn(() => subscription.next());
      yield;
      subscription.close();
      subscription.close();
      expect((yield* waiter.join()).done).toBe(true);
      yield* news.send(1);
      expect(subscription.stats()).toMatchObject({ buffered: 0, closed: true });
      expect(news.stats().subscriptions).toBe(0);
    }),
  );
});

test.each<SlowPolicy>(['wait', 'drop-oldest', 'drop-newest', 'fail'])(
  "a broadcast with slow: '%s' keeps the order for tasks that have spent their budget",
  (slow) => {
    const received: number[] = [];
    play(() =>
      group(function* (g) {
        const news = new Broadcast<number>({ capacity: 1, slow });
        const subscription = news.subscribe();
        const spendBudget = function* () {
          for (let i = 0; i < 128; i++) yield* checkpoint();
        };
        g.spawn(function* () {
          yield* spendBudget();
          for (let i = 0; i < 3; i++) received.push((yield* subscription.next()).value as number);
        });
        g.spawn(function* () {
          for (const item of [1, 2, 3]) {
            yield* spendBudget();
            yield* news.send(item);
          }
        });
        yield;
      }),
    );
    expect(received).toEqual([1, 2, 3]);
  },
);

test('a receiver that has spent its budget receives the first item', () => {
  play(() =>
    group(function* (g) {
      const news = new Broadcast<number>({ capacity: 2 });
      const subscription = news.subscribe();
      news.trySend(1);
      const receiver = g.spawn(function* () {
        for (let i = 0; i < 128; i++) yield* checkpoint();
        return (yield* subscription.next()).value;
      });
      g.spawn(() => news.send(2));
      expect(yield* receiver.join()).toBe(1);
      expect(yield* drain(subscription)).toEqual([2]);
    }),
  );
});

test('operations that spend the budget take effect in the order of their steps', () => {
  play(() =>
    group(function* (g) {
      const news = new Broadcast<number>({ capacity: 3, slow: 'drop-oldest' });
      const subscription = news.subscribe();
      for (const item of [1, 2, 3]) news.trySend(item);
      const afterBudget = (then: () => Operation<unknown>) =>
        g.spawn(function* () {
          for (let i = 0; i < 128; i++) yield* checkpoint();
          yield* then();
        });
      afterBudget(() => subscription.next());
      afterBudget(() => news.send(4));
      afterBudget(() => news.send(5));
      yield;
      news.trySend(6);
      expect(yield* drain(subscription)).toEqual([4, 5, 6]);
    }),
  );
});

test('a select that sends to and receives from one broadcast can send', () => {
  play(() =>
    group(function* (g) {
      const news = new Broadcast<number>({ capacity: 1 });
      const subscription = news.subscribe();
      news.trySend(1);
      g.spawn(function* () {
        for (let i = 0; i < 128; i++) yield* checkpoint();
        yield* subscription.next();
      });
      const both = g.spawn(() => select({ give: news.send(2), take: subscription.next() }));
      expect((yield* both.join()).key).toBe('give');
    }),
  );
});

test('Broadcast checks its arguments', () => {
  expect(() => new Broadcast({ capacity: 0 })).toThrow(RangeError);
  expect(() => new Broadcast({ slow: 'panic' as never })).toThrow("'wait', 'drop-oldest'");
});

test('a subscription is closed when its only task ends, and waiting senders continue', () => {
  play(() =>
    group(function* (g) {
      const news = new Broadcast<number>({ capacity: 1 });
      g.spawn(function* () {
        news.subscribe();
        yield* sleep(5);
      });
      yield;
      yield* news.send(1);
      const sender = g.spawn(() => news.send(2));
      yield;
      expect(sender.state).toBe('waiting');
      yield* sender.join();
      expect(news.stats()).toMatchObject({ subscriptions: 0, senders: 0 });
    }),
  );
});

test('a subscription stays open while a second task that receives from it runs', () => {
  play(() =>
    group(function* (g) {
      const news = new Broadcast<number>({ capacity: 1 });
      const received: number[] = [];
      const maker = g.spawn(function* () {
        const subscription = news.subscribe();
        g.spawn(() => receiveAll(subscription, received));
        yield* sleep(1);
      });
      yield* maker.join();
      for (const item of [1, 2, 3]) yield* news.send(item);
      news.close();
      yield* sleep(1);
      expect(received).toEqual([1, 2, 3]);
    }),
  );
});

function* receiveAll<T>(subscription: Subscription<T>, into: T[]): Generator<Wait, void> {
  for (;;) {
    const { done, value } = yield* subscription.next();
    if (done === true) return;
    into.push(value);
  }
}
