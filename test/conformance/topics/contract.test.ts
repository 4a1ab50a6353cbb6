/** The contract of topics, which every implementation keeps. */
import { expect, it } from 'vitest';
import type { Operation } from '../../../src/index.ts';
import { group, moveOnAfter, sleep, timeout } from '../../../src/index.ts';
import { failure } from '../../support/sockets.ts';
import type { TopicsBackend } from '../../support/topics.ts';
import { describeTopics, nextOf, take, topicsBackends } from '../../support/topics.ts';

describeTopics(topicsBackends, contract);

function contract(backend: TopicsBackend): void {
  subjects(backend);
  subscriptions(backend);
  slowSubscriptions(backend);
  requests(backend);
  closing(backend);
}

function subjects(backend: TopicsBackend): void {
  it('a message arrives with its subject, its bytes and its headers', () =>
    backend.run(function* (open): Operation<void> {
      const [publisher, subscriber] = [yield* open(), yield* open()];
      const subscription = yield* subscriber.subscribe('rooms.lobby');
      const data = Buffer.from([0, 13, 10, 255]);
      const headers = { 'X-From': 'Zoë: 7', empty: '' };
      yield* publisher.publish('rooms.lobby', data, { headers });
      data.fill(1);
      const { value } = yield* subscription.next();
      expect(value).toMatchObject({ subject: 'rooms.lobby', headers, reply: undefined });
      expect(value).toMatchObject({ data: Buffer.from([0, 13, 10, 255]) });
    }));

  it('a pattern receives the subjects that match its wildcards, in order', () =>
    backend.run(function* (open): Operation<void> {
      const [publisher, subscriber] = [yield* open(), yield* open()];
      const patterns = ['a.b', 'a.*', 'a.>', '*.b', '>', 'a.*.c', '*.*'];
      const opened = new Map();
      for (const pattern of patterns) opened.set(pattern, yield* subscriber.subscribe(pattern));
      const published = ['a.b', 'a.b.c', 'a.c', 'b', 'x.b', 'a.bb', 'end.of.it.all'];
      for (const subject of published) yield* publisher.publish(subject, '');
      yield* publisher.flush();
      const expected: Record<string, string[]> = {
        'a.b': ['a.b'],
        'a.*': ['a.b', 'a.c', 'a.bb'],
        'a.>': ['a.b', 'a.b.c', 'a.c', 'a.bb'],
        '*.b': ['a.b', 'x.b'],
        '>': published,
        'a.*.c': ['a.b.c'],
        '*.*': ['a.b', 'a.c', 'x.b', 'a.bb'],
      };
      yield* take(opened.get('>'), published.length);
      for (const pattern of patterns.filter((each) => each !== '>')) {
        const count = expected[pattern]?.length ?? 0;
        const items = yield* take(opened.get(pattern), count);
        expect(items, pattern).toEqual(expected[pattern]?.map((subject) => `${subject}: `));
        expect(opened.get(pattern).stats().buffered, pattern).toBe(0);
      }
    }));

  it('an invalid subject or pattern is rejected before anything is published', () =>
    backend.run(function* (open): Operation<void> {
      const topics = yield* open();
      for (const subject of ['', 'a..b', '.a', 'a.', 'a b', 'a\r\nPUB', 'a.*', '>', 'a.>']) {
        expect(() => topics.publish(subject, ''), subject).toThrow(RangeError);
        expect(() => topics.request(subject, '', { timeoutMs: 1 }), subject).toThrow(RangeError);
      }
      for (const pattern of ['', 'a..b', 'a.', 'a b', 'a.>.b', '>.a', 'a\n']) {
        expect(() => topics.subscribe(pattern), pattern).toThrow(RangeError);
      }
      expect(() => topics.publish('a', 1 as never)).toThrow(TypeError);
      expect(() => topics.publish('a', '', { headers: { 'a:b': '' } })).toThrow(RangeError);
      expect(() => topics.publish('a', '', { headers: { a: '1\r\n2' } })).toThrow(RangeError);
      expect(() => topics.subscribe('a', { capacity: 0 })).toThrow(RangeError);
      expect(() => topics.subscribe('a', { slow: 'never' as never })).toThrow(RangeError);
      expect(() => topics.subscribe('a', { queue: 'a b' })).toThrow(RangeError);
      expect(() => topics.subscribe('a', { size: 1 } as never)).toThrow('options.size');
      expect(topics.stats().published).toBe(0);
    }));
}

function subscriptions(backend: TopicsBackend): void {
  it('each message of a queue group goes to one member, and to every other subscription', () =>
    backend.run(function* (open): Operation<void> {
      const [publisher, subscriber] = [yield* open(), yield* open()];
      const all = yield* subscriber.subscribe('jobs.*');
      const options = { queue: 'workers' };
      const members = [
        yield* subscriber.subscribe('jobs.*', options),
        yield* subscriber.subscribe('jobs.>', options),
        yield* publisher.subscribe('jobs.*', options),
      ];
      for (let i = 0; i < 90; i++) yield* publisher.publish('jobs.new', `${i}`);
      yield* publisher.flush();
      yield* subscriber.flush();
      expect(yield* take(all, 90)).toHaveLength(90);
      const counts = members.map((member) => member.stats().buffered);
      expect(counts.reduce((sum, count) => sum + count)).toBe(90);
      expect(Math.max(...counts)).toBeLessThan(90);
    }));

  it('a subscription receives nothing after its close, also of its buffer', () =>
    backend.run(function* (open): Operation<void> {
      const topics = yield* open();
      const other = yield* topics.subscribe('a');
      {
        using subscription = yield* topics.subscribe('a');
        yield* topics.publish('a', '1');
        yield* topics.flush();
        subscription.close();
        expect(yield* nextOf(subscription)).toBeUndefined();
        expect(subscription.stats()).toMatchObject({ pattern: 'a', closed: true });
      }
      yield* topics.publish('a', '2');
      expect(yield* take(other, 2)).toEqual(['a: 1', 'a: 2']);
      expect(topics.stats()).toMatchObject({ subscriptions: 1, published: 2, received: 2 });
    }));

  it('a subscription whose task has ended is closed', () =>
    backend.run(function* (open): Operation<void> {
      const topics = yield* open();
      yield* group(function* (tasks): Operation<void> {
        yield* tasks.spawn(() => topics.subscribe('a')).join();
      });
      yield* sleep(0);
      expect(topics.stats().subscriptions).toBe(0);
    }));

  it('a cancelled receive loses no message', () =>
    backend.run(function* (open): Operation<void> {
      const topics = yield* open();
      const subscription = yield* topics.subscribe('a');
      expect(yield* moveOnAfter(5, () => subscription.next())).toBeUndefined();
      yield* topics.publish('a', '1');
      expect(yield* nextOf(subscription)).toBe('a: 1');
    }));
}

function slowSubscriptions(backend: TopicsBackend): void {
  it("slow: 'drop-oldest' reports the missing messages before the oldest that is left", () =>
    backend.run(function* (open): Operation<void> {
      const topics = yield* open();
      const last = yield* topics.subscribe('a');
      const subscription = yield* topics.subscribe('a', { capacity: 2, slow: 'drop-oldest' });
      for (let i = 1; i <= 5; i++) yield* topics.publish('a', `${i}`);
      yield* take(last, 5);
      expect(yield* take(subscription, 3)).toEqual([{ gap: 'slow', missed: 3 }, 'a: 4', 'a: 5']);
      expect(subscription.stats()).toMatchObject({ received: 2, missed: 3, gaps: 1, buffered: 0 });
      expect(topics.stats()).toMatchObject({ received: 7, missed: 3 });
    }));

  it("slow: 'drop-newest' reports the missing messages after the ones that are left", () =>
    backend.run(function* (open): Operation<void> {
      const topics = yield* open();
      const last = yield* topics.subscribe('a');
      const subscription = yield* topics.subscribe('a', { capacity: 2, slow: 'drop-newest' });
      for (let i = 1; i <= 4; i++) yield* topics.publish('a', `${i}`);
      yield* take(last, 4);
      expect(yield* nextOf(subscription)).toBe('a: 1');
      yield* topics.publish('a', '5');
      yield* take(last, 1);
      const rest = yield* take(subscription, 3);
      expect(rest).toEqual(['a: 2', { gap: 'slow', missed: 2 }, 'a: 5']);
    }));

  it("slow: 'fail' ends the subscription after its buffered messages", () =>
    backend.run(function* (open): Operation<void> {
      const topics = yield* open();
      const last = yield* topics.subscribe('a');
      const subscription = yield* topics.subscribe('a', { capacity: 1, slow: 'fail' });
      for (let i = 1; i <= 3; i++) yield* topics.publish('a', `${i}`);
      yield* take(last, 3);
      expect(yield* nextOf(subscription)).toBe('a: 1');
      expect(yield* failure(() => nextOf(subscription))).toMatchObject({
        code: 'ERR_SUBSCRIBER_SLOW',
        message: expect.stringContaining("topic 'a'"),
      });
      expect(topics.stats().subscriptions).toBe(1);
    }));

  if (backend.hasBroker) {
    it("slow: 'wait' is rejected with the reason", () =>
      backend.run(function* (open): Operation<void> {
        const topics = yield* open();
        expect(() => topics.subscribe('a', { slow: 'wait' })).toThrow(/cuts? .*slow/);
      }));
    return;
  }
  it("slow: 'wait' makes publishers wait, in order, and cancelled ones publish nothing", () =>
    backend.run(function* (open): Operation<void> {
      const topics = yield* open();
      const subscription = yield* topics.subscribe('a', { capacity: 1, slow: 'wait' });
      yield* group(function* (tasks): Operation<void> {
        yield* topics.publish('a', '1');
        expect(yield* moveOnAfter(5, () => topics.publish('a', 'cancelled'))).toBeUndefined();
        const second = tasks.spawn(() => topics.publish('a', '2'));
        const third = tasks.spawn(() => topics.publish('a', '3'));
        yield* topics.publish('b', 'not blocked');
        expect(yield* take(subscription, 3)).toEqual(['a: 1', 'a: 2', 'a: 3']);
        yield* second.join();
        yield* third.join();
        yield* topics.publish('a', '4');
        const fifth = tasks.spawn(() => topics.publish('a', '5'));
        yield* sleep(0);
        subscription.close();
        yield* fifth.join();
      });
    }));
}

function requests(backend: TopicsBackend): void {
  it('requests at the same time get their own responses', () =>
    backend.run(function* (open): Operation<void> {
      const [client, service] = [yield* open(), yield* open()];
      yield* group(function* (tasks): Operation<void> {
        const subscription = yield* service.subscribe('double', { queue: 'services' });
        tasks.spawn(() => double(subscription), { daemon: true });
        const numbers = Array.from({ length: 20 }, (_, i) => i);
        const pending = numbers.map((n) =>
          tasks.spawn(() => client.request('double', `${n}`, { timeoutMs: 5000 })),
        );
        for (const [n, task] of pending.entries()) {
          const response = yield* task.join();
          expect(String(response.data)).toBe(`${2 * n}`);
          expect(response.headers).toEqual({ from: 'service' });
        }
      });
    }));

  function* double(
    subscription: import('../../../src/topics.ts').TopicSubscription,
  ): Operation<void> {
    for (;;) {
      const { done, value } = yield* subscription.next();
      if (done) return;
      if (value.gap !== undefined) continue;
      yield* value.respond(`${2 * Number(value.data)}`, { headers: { from: 'service' } });
    }
  }

  it('a request without a response ends after its time limit', () =>
    backend.run(function* (open): Operation<void> {
      const topics = yield* open();
      using _subscription = yield* topics.subscribe('silent');
      const error = yield* failure(() => topics.request('silent', '', { timeoutMs: 20 }));
      expect(error).toMatchObject({ code: 'ERR_TIMEOUT' });
      expect(() => topics.request('silent', '', {} as never)).toThrow('timeoutMs');
    }));

  it('a request that no subscription receives fails at once', () =>
    backend.run(function* (open): Operation<void> {
      const topics = yield* open();
      const error = yield* failure(() => topics.request('absent', '', { timeoutMs: Infinity }));
      expect(error).toMatchObject({ code: 'ERR_NO_RESPONDERS' });
    }));

  it('a message that is not a request cannot be responded to', () =>
    backend.run(function* (open): Operation<void> {
      const topics = yield* open();
      const subscription = yield* topics.subscribe('a');
      yield* topics.publish('a', '1');
      const { value } = yield* subscription.next();
      if (value?.gap !== undefined) throw new Error('Expected a message');
      expect(() => value?.respond('')).toThrow(
        expect.objectContaining({ code: 'ERR_NO_REPLY_SUBJECT' }),
      );
    }));
}

function closing(backend: TopicsBackend): void {
  it('closed topics end their subscriptions after the buffered messages, and reject the rest', () =>
    backend.run(function* (open): Operation<void> {
      const topics = yield* open();
      expect(topics.state).toBe('connected');
      expect(topics.stats()).toMatchObject({ state: 'connected', connected: 1, reconnects: 0 });
      const probe = yield* topics.subscribe('a');
      const subscription = yield* topics.subscribe('a');
      yield* group(function* (tasks): Operation<void> {
        const waiting = yield* topics.subscribe('nothing');
        const receiver = tasks.spawn(() => nextOf(waiting));
        const request = tasks.spawn(() =>
          failure(() => topics.request('a', '', { timeoutMs: Infinity })),
        );
        yield* timeout(5000, () => take(probe, 1));
        topics.close();
        topics.close();
        expect(yield* receiver.join()).toBeUndefined();
        expect(yield* request.join()).toMatchObject({ code: 'ERR_TOPICS_CLOSED' });
      });
      expect(yield* take(subscription, 2)).toEqual(['a: ', undefined]);
      expect(topics.state).toBe('closed');
      const closed = { code: 'ERR_TOPICS_CLOSED' };
      expect(yield* failure(() => topics.publish('a', ''))).toMatchObject(closed);
      expect(yield* failure(() => topics.subscribe('a'))).toMatchObject(closed);
      expect(yield* failure(() => topics.flush())).toMatchObject(closed);
      const request = () => topics.request('b', '', { timeoutMs: 1000 });
      expect(yield* failure(request)).toMatchObject(closed);
      expect(topics.stats()).toMatchObject({ state: 'closed', connected: 0, subscriptions: 0 });
    }));
}
