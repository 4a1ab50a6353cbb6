import { describe, expect, expectTypeOf, it, test } from 'vitest';
import { thrownBy } from '../../../test/support/kernel/operations.ts';
import { codeOf, failureOf, play, VirtualHost } from '../../../test/support/kernel/virtual-host.ts';
import type { Selectable } from '../../kernel/case.ts';
import { currentTask, now } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Step } from '../../kernel/operation.ts';
import { Parking } from '../../kernel/parking.ts';
import { Readiness } from '../../kernel/readiness.ts';
import { moveOnAfter, scope } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import type { TaskImpl } from '../../kernel/task/task.ts';
import {
  checkpoint,
  park,
  pause,
  readable,
  sleep,
  sleepForever,
  sleepUntil,
  writable,
} from '../../kernel/waits.ts';
import { Channel } from '../channel.ts';
import { Event } from '../event.ts';
import { Lock } from '../lock.ts';
import { Semaphore } from '../semaphore.ts';
import { select } from './select.ts';

test('select carries out a case that is ready without waiting, and no other', () => {
  play(function* () {
    const [a, b] = [new Channel<number>(1), new Channel<string>(1)];
    b.trySend('b');
    const taken = yield* select({ a: a.receive(), b: b.receive(), late: sleep(5) });
    expect(taken).toEqual({ key: 'b', value: 'b' });
    expect(now()).toBe(0);
    expect([a.stats().receivers, b.size]).toEqual([0, 0]);
  });
});

test('the key of a result narrows the type of its value', () => {
  play(function* () {
    const [numbers, texts] = [new Channel<number>(1), new Channel<string>(1)];
    numbers.trySend(1);
    const taken = yield* select({ numbers: numbers.receive(), texts: texts.receive() });
    const text: string = taken.key === 'texts' ? taken.value : taken.value.toFixed(1);
    expect(text).toBe('1.0');
  });
});

test('a waiting select is decided in the step of the counterpart', () => {
  play(() =>
    group(function* (g) {
      const [a, b] = [new Channel<number>(), new Channel<number>()];
      const event = new Event();
      const task = g.spawn(() => select({ a: a.receive(), b: b.receive(), event: event.wait() }));
      yield;
      expect(task.waitingOn).toBe(
        'select of a: receive from channel, b: receive from channel, event: event',
      );
      expect(b.trySend(2)).toBe(true);
      expect(a.trySend(1)).toBe(false);
      expect([a.stats().receivers, b.stats().receivers, event.stats().waiters]).toEqual([0, 0, 0]);
      task.cancel();
      expect(yield* task.join()).toEqual({ key: 'b', value: 2 });
    }),
  );
});

test('two selects can be counterparts on a rendezvous channel', () => {
  play(() =>
    group(function* (g) {
      const [a, b] = [new Channel<number>(), new Channel<number>()];
      const sender = g.spawn(() => select({ a: a.send(1), b: b.send(2) }));
      const receiver = g.spawn(() => select({ b: b.receive(), late: sleep(9) }));
      expect(yield* receiver.join()).toEqual({ key: 'b', value: 2 });
      expect(yield* sender.join()).toEqual({ key: 'b', value: undefined });
      expect(a.stats().senders).toBe(0);
    }),
  );
});

test('a select is never its own counterpart, and does not block other tasks', () => {
  play(() =>
    group(function* (g) {
      const channel = new Channel<string>();
      const both = () => select({ give: channel.send('own'), take: channel.receive() });
      const first = g.spawn(both);
      const sender = g.spawn(function* () {
        for (let i = 0; i < 128; i++) yield* checkpoint();
        yield* channel.send('other');
      });
      yield* sender.join();
      expect(yield* first.join()).toEqual({ key: 'take', value: 'other' });
      const [second, third] = [g.spawn(both), g.spawn(both)];
      const keys = [(yield* second.join()).key, (yield* third.join()).key];
      expect(keys.sort()).toEqual(['give', 'take']);
      expect(channel.stats()).toMatchObject({ senders: 0, receivers: 0 });
    }),
  );
});

test('select rotates among the cases that are ready', () => {
  const taken = { a: 0, b: 0, c: 0 };
  play(function* () {
    const [a, b, c] = [1, 2, 3].map(() => new Channel<number>(Infinity)) as [
      Channel<number>,
      Channel<number>,
      Channel<number>,
    ];
    for (let i = 0; i < 300; i++) for (const channel of [a, b, c]) channel.trySend(i);
    for (let i = 0; i < 300; i++) {
      taken[(yield* select({ a: a.receive(), b: b.receive(), c: c.receive() })).key]++;
    }
  });
  expect(taken).toEqual({ a: 100, b: 100, c: 100 });
});

test('sleep, sleepUntil and sleepForever can be cases', () => {
  play(function* () {
    const never = new Channel<number>();
    const first = yield* select({ long: sleep(50), short: sleep(5), forever: sleepForever() });
    expect([first.key, now()]).toEqual(['short', 5]);
    const second = yield* select({ at: sleepUntil(7), item: never.receive(), no: sleep(Infinity) });
    expect([second.key, now()]).toEqual(['at', 7]);
    expect((yield* select({ past: sleepUntil(1), long: sleep(9) })).key).toBe('past');
    expect((yield* select({ now: sleep(0), item: never.receive() })).key).toBe('now');
  });
});

test('a select leaves no timer of a case that was not carried out', () => {
  play(() =>
    group(function* (g) {
      const channel = new Channel<number>();
      const task = g.spawn(() => select({ item: channel.receive(), late: sleep(1000) }));
      yield;
      channel.trySend(1);
      yield* task.join();
      expect(now()).toBe(0);
      yield* sleep(1);
      expect(now()).toBe(1);
    }),
  );
});

test('a lock or permit that a select acquires belongs to the selecting task', () => {
  play(() =>
    group(function* (g) {
      const [lock, slots] = [new Lock(), new Semaphore(1)];
      yield* lock.acquire();
      yield* slots.acquire();
      const task = g.spawn(function* () {
        const { key } = yield* select({ lock: lock.acquire(), slot: slots.acquire() });
        expect(key).toBe('slot');
        slots.release();
      });
      yield;
      slots.release();
      lock.release();
      yield* task.join();
      expect(lock.locked).toBe(false);
    }),
  );
});

test('a case that fails ends the select with its error, and no other has happened', () => {
  const [open, closing] = [new Channel<number>(1), new Channel<number>()];
  const waiting = codeOf(() =>
    group(function* (g) {
      const task = g.spawn(function* () {
        let code = '';
        try {
          yield* select({ open: open.receive(), closing: closing.receive() });
        } catch (error) {
          code = (error as { code: string }).code;
        }
        return code;
      });
      yield;
      closing.close();
      expect(yield* task.join()).toBe('ERR_CHANNEL_CLOSED');
      yield* select({ closing: closing.send(1), late: sleep(1) });
    }),
  );
  expect(waiting).toBe('ERR_GROUP');
  expect(open.stats().receivers).toBe(0);
});

test('readable and writable can be cases, and a select leaves the resource without waiters', () => {
  play(() =>
    group(function* (g) {
      const socket = new Readiness();
      const both = () => select({ in: readable(socket), out: writable(socket), late: sleep(50) });
      const task = g.spawn(both);
      yield;
      expect(task.waitingOn).toContain('in: recv a resource, out: send a resource');
      socket.notifySend();
      expect((yield* task.join()).key).toBe('out');
      expect([socket.recvWaiter, socket.sendWaiter]).toEqual([null, null]);
      expect((yield* both()).key).toBe('out');
      socket.canSend = false;
      const cut = g.spawn(both);
      yield;
      cut.cancel();
      expect([socket.recvWaiter, socket.sendWaiter]).toEqual([null, null]);
      yield;
    }),
  );
});

test('a select throws ERR_BUSY for a resource that another task waits for', () => {
  play(() =>
    group(function* (g) {
      const socket = new Readiness();
      const reader = g.spawn(() => readable(socket));
      yield;
      let code = '';
      try {
        yield* select({ in: readable(socket), late: sleep(5) });
      } catch (error) {
        code = (error as { code: string }).code;
      }
      expect(code).toBe('ERR_BUSY');
      socket.notifyRecv();
      yield* reader.join();
    }),
  );
});

test('a resource that is closed ends a waiting select with its error', () => {
  const error = failureOf(() =>
    group(function* (g) {
      const socket = new Readiness();
      g.spawn(function* () {
        yield;
        socket.rejectWaiters(new Error('closed'));
      });
      yield* select({ in: readable(socket), forever: sleepForever() });
    }),
  );
  expect(error).toMatchObject({ cause: { message: 'closed' } });
});

test('a select that is cancelled while it waits has carried out no case', () => {
  play(function* () {
    const [a, b] = [new Channel<number>(), new Channel<number>()];
    const given = yield* moveOnAfter(5, select({ a: a.receive(), b: b.send(1) }));
    expect(given).toBeUndefined();
    expect(a.trySend(1)).toBe(false);
    expect(b.tryReceive()).toBeUndefined();
  });
});

test('a select of a task that has spent its budget is not overtaken', () => {
  const log: string[] = [];
  play(() =>
    group(function* (g) {
      const channel = new Channel<number>(Infinity);
      for (const item of [1, 2]) channel.trySend(item);
      g.spawn(function* () {
        for (let i = 0; i < 128; i++) yield* checkpoint();
        const { value } = yield* select({ item: channel.receive(), late: sleep(1) });
        log.push(`spent ${value}`);
      });
      g.spawn(function* () {
        log.push(`fresh ${yield* channel.receive()}`);
      });
      yield;
    }),
  );
  expect(log.sort()).toEqual(['fresh 2', 'spent 1']);
});

test('the operations of a select count as driven, however the select ends', () => {
  const channel = new Channel<number>(1);
  channel.trySend(1);
  const given = channel.receive();
  const dropped = select({ given }) as Operation<unknown> & { return(): void };
  dropped.return();
  expect(codeOf(() => given)).toBe('ERR_ALREADY_DRIVEN');
  const [taken, left] = [channel.receive(), sleep(5)];
  play(() => select({ taken, left }));
  expect(codeOf(() => taken)).toBe('ERR_ALREADY_DRIVEN');
  expect(codeOf(() => left)).toBe('ERR_ALREADY_DRIVEN');
  const twice = sleep(1);
  expect(codeOf(() => select({ a: twice, b: twice }))).toBe('ERR_ALREADY_DRIVEN');
});

/** An operation without `asCase`. */
class Waits extends Step<void> {
  next(): IteratorResult<Wait, void> {
    throw new Error('driven');
  }
}

test('a value that select does not take is a TypeError with the reason and the remedy', () => {
  const wrong: [unknown, string][] = [
    [(function* () {})(), '`race` runs it as a task'],
    [select({ a: sleep(1) }), '`race` runs it as a task'],
    [new Lock().with(sleep(1)), '`race` runs it as a task'],
    [checkpoint(), '`race` runs it as a task'],
    [new Waits(), '`race` runs it as a task'],
    [pause(), '`race` runs it as a task'],
    [park(new Parking()), '`race` runs it as a task'],
    [() => sleep(1), 'drop the `() =>`'],
    [Promise.resolve(1), '`until(promise)`'],
    [['sleep', 10], 'Use `sleep`'],
    [undefined, 'This is not an operation'],
    [7, 'This is not an operation'],
  ];
  for (const [operation, remedy] of wrong) {
    const good = sleep(1);
    const cases = { good, wrong: operation as Selectable<void> };
    expect(() => select(cases)).toThrow(TypeError);
    expect(() => select(cases)).toThrow('Expected case `wrong` of select to be a wait');
    expect(() => select(cases)).toThrow(remedy);
    expect(codeOf(() => good)).toBe('ERR_ALREADY_DRIVEN');
  }
  expect(() => select({})).toThrow(
    expect.objectContaining({
      name: 'RangeError',
      code: 'ERR_OUT_OF_RANGE',
      message: expect.stringContaining('at least one wait'),
    }),
  );
  expect(() => select(null as never)).toThrow('Expected `cases`');
});

test('the type of select refuses an operation that is not a wait', () => {
  expectTypeOf(select).toBeCallableWith({ late: sleep(1) });
  const work = function* (): Generator<Wait, void> {};
  // @ts-expect-error a generator is not a case
  expect(() => select({ work: work() })).toThrow(TypeError);
  // @ts-expect-error a function is not a case
  expect(() => select({ work })).toThrow(TypeError);
});

describe('the join of a task as a case', () => {
  it('returns the result of the task, and leaves the task running if it is not chosen', () => {
    play(() =>
      group(function* (g) {
        const task = g.spawn(function* () {
          yield* sleep(10);
          return 'result';
        });
        const early = yield* select({ end: task.join(), late: sleep(5) });
        expect([early.key, task.state]).toEqual(['late', 'waiting']);
        expect((task as TaskImpl).joiners?.size).toBe(0);
        const waiting = g.spawn(() => select({ end: task.join(), forever: sleepForever() }));
        yield;
        expect(waiting.waitingOn).toContain(`end: join of task ${task.id}`);
        expect(yield* waiting.join()).toEqual({ key: 'end', value: 'result' });
        const ended = yield* select({ end: task.join() });
        expect(ended.value.toUpperCase()).toBe('RESULT');
      }),
    );
  });

  it('throws the error of the task, and refuses a task that waits for the caller', () => {
    const results = play(() =>
      scope(function* () {
        const failing = group(function* (g) {
          const task = g.spawn(function* (): Generator<Wait, void> {
            yield* sleep(1);
            throw new Error('failed');
          });
          yield* select({ end: task.join(), late: sleep(5) });
        });
        return [yield* thrownBy(failing), yield* thrownBy(select({ self: currentTask().join() }))];
      }),
    );
    expect(results).toMatchObject([
      { errors: [{ message: 'failed' }] },
      { code: 'ERR_JOIN_CYCLE' },
    ]);
  });
});

describe('waitStopping as a case', () => {
  it('is chosen when the scope is stopped, and a later item stays with its sender', () => {
    play(() =>
      group(function* (g) {
        const jobs = new Channel<string>();
        const cases = () => ({ job: jobs.receive(), stop: g.scope.waitStopping() });
        const worker = g.spawn(() => select(cases()));
        yield;
        expect(jobs.trySend('first')).toBe(true);
        expect(yield* worker.join()).toEqual({ key: 'job', value: 'first' });
        const last = g.spawn(() => select(cases()));
        yield;
        g.stop();
        yield;
        yield;
        expect(jobs.trySend('second')).toBe(false);
        expect((yield* last.join()).key).toBe('stop');
        expect((yield* select(cases())).key).toBe('stop');
      }),
    );
  });

  it('loses no item that is sent in the turn of the stop', () => {
    play(() =>
      group(function* (g) {
        const jobs = new Channel<string>();
        const worker = g.spawn(() => select({ job: jobs.receive(), stop: g.scope.waitStopping() }));
        yield;
        g.stop();
        const accepted = jobs.trySend('job');
        expect(yield* worker.join()).toEqual(
          accepted ? { key: 'job', value: 'job' } : { key: 'stop', value: undefined },
        );
      }),
    );
  });

  it('counts as an external wait while the select is parked', () => {
    const host = new VirtualHost();
    host.play(() =>
      group(function* (g) {
        const task = g.spawn(() => select({ stop: g.scope.waitStopping() }));
        yield;
        expect(host.scheduler.externalWaits).toBe(1);
        task.cancel();
        expect(host.scheduler.externalWaits).toBe(0);
      }),
    );
  });
});
