import { expect, test } from 'vitest';
import { play, VirtualHost } from '../../../test/support/kernel/virtual-host.ts';
import type { Case, Selectable } from '../../kernel/case.ts';
import { AttemptCase, WOULD_WAIT } from '../../kernel/case.ts';
import type { Wait } from '../../kernel/operation.ts';
import { Step } from '../../kernel/operation.ts';
import { Readiness } from '../../kernel/readiness.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { recvWait, sleep } from '../../kernel/waits.ts';
import { Channel } from '../channel.ts';
import { select } from './select.ts';

/** A minimal socket: an attempt may find bytes, and one task at a time may read. */
class Wire extends Readiness {
  bytes = '';
  reading = false;

  arrive(bytes: string): void {
    this.bytes += bytes;
    this.notifyRecv();
  }

  recv(): Selectable<string> {
    return new WireRecv(this);
  }

  take(): string | undefined {
    const { bytes } = this;
    this.bytes = '';
    this.canRecv = false;
    return bytes === '' ? undefined : bytes;
  }
}

class WireRecv extends Step<string> implements Selectable<string> {
  readonly #wire: Wire;

  constructor(wire: Wire) {
    super();
    this.#wire = wire;
  }

  asCase(): Case<string> {
    const wire = this[Symbol.iterator]().#wire;
    wire.reading = true;
    const onLeave = () => {
      wire.reading = false;
    };
    return new AttemptCase(wire, 'recv', () => wire.take(), onLeave);
  }

  next(): IteratorResult<Wait, string> {
    return recvWait(this.#wire);
  }
}

test('a notified receive is attempted when its task runs, and may wait again', () => {
  play(() =>
    group(function* (g) {
      const wire = new Wire();
      const task = g.spawn(() => select({ in: wire.recv(), late: sleep(50) }));
      yield;
      wire.arrive('');
      yield;
      yield;
      expect(task.waitingOn).toBe('select of in: recv a resource, late: sleep 50 ms');
      wire.arrive('hello');
      expect(wire.bytes).toBe('hello');
      expect(yield* task.join()).toEqual({ key: 'in', value: 'hello' });
      expect([wire.reading, wire.recvWaiter]).toEqual([false, null]);
    }),
  );
});

test('another case may happen between the notification and the attempt, and the bytes stay', () => {
  play(() =>
    group(function* (g) {
      const wire = new Wire();
      const channel = new Channel<number>();
      const task = g.spawn(() => select({ in: wire.recv(), item: channel.receive() }));
      yield;
      wire.arrive('hello');
      expect(channel.trySend(1)).toBe(true);
      expect(yield* task.join()).toEqual({ key: 'item', value: 1 });
      expect([wire.bytes, wire.reading]).toEqual(['hello', false]);
    }),
  );
});

test('a notified select that is cancelled makes its attempt but takes no item', () => {
  play(() =>
    group(function* (g) {
      const wire = new Wire();
      const channel = new Channel<number>();
      const cases = () => ({ in: wire.recv(), item: channel.receive() });
      const ready = g.spawn(() => select(cases()));
      yield;
      wire.arrive('hello');
      ready.cancel();
      expect(channel.trySend(1)).toBe(false);
      expect((yield* ready.join()).value).toBe('hello');
      const spurious = g.spawn(() => select(cases()));
      yield;
      wire.arrive('');
      spurious.cancel();
      yield;
      yield;
      expect([spurious.state, wire.reading]).toEqual(['cancelled', false]);
    }),
  );
});

test('a select with an external case counts as an external wait while it is parked', () => {
  const host = new VirtualHost();
  host.play(function* () {
    const wire = new Wire();
    const counts: number[] = [];
    yield* group(function* (g) {
      for (let round = 0; round < 3; round++) {
        const task = g.spawn(() => select({ in: wire.recv(), late: sleep(9) }));
        yield;
        counts.push(host.scheduler.externalWaits);
        if (round === 0) wire.arrive('');
        if (round === 1) wire.arrive('bytes');
        if (round === 2) task.cancel();
        counts.push(host.scheduler.externalWaits);
        if (round === 0) task.cancel();
        yield;
        yield;
      }
    });
    yield* moveOnAfter(1, select({ in: wire.recv() }));
    expect(counts).toEqual([1, 0, 1, 0, 1, 0]);
  });
  expect(host.scheduler.externalWaits).toBe(0);
});

/** An operation whose case is carried out while it is registered. */
class Immediate extends Step<number> implements Selectable<number> {
  asCase(): Case<number> {
    return {
      external: false,
      describe: () => 'immediate',
      attempt: () => WOULD_WAIT,
      enlist: (waiter) => void waiter.wake(1),
      leave: () => {},
    };
  }

  next(): IteratorResult<Wait, number> {
    return { done: true, value: 1 };
  }
}

test('a case that is carried out while it is registered decides the select', () => {
  play(function* () {
    const wire = new Wire();
    const late = sleep(9);
    const result = yield* select({ now: new Immediate(), in: wire.recv(), late });
    expect(result).toEqual({ key: 'now', value: 1 });
    expect([wire.reading, wire.recvWaiter]).toEqual([false, null]);
  });
});
