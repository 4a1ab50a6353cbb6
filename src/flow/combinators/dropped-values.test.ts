import { describe, expect, it } from 'vitest';
import type { Combinator } from '../../../test/support/kernel/operations.ts';
import {
  A,
  failAfter,
  failWhenCancelled,
  observe,
  succeed,
} from '../../../test/support/kernel/operations.ts';
import { play } from '../../../test/support/kernel/virtual-host.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { shield } from '../../kernel/scope/shield.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep, sleepForever } from '../../kernel/waits.ts';
import { Channel } from '../channel.ts';
import { select } from '../select/select.ts';
import { all } from './all.ts';
import { allSettled } from './all-settled.ts';
import { any } from './any.ts';
import { map } from './map.ts';
import { race } from './race.ts';

/** A value that has to be released, such as a socket. */
class Resource implements Disposable {
  disposals = 0;

  [Symbol.dispose](): void {
    this.disposals++;
  }
}

/** Returns `value` although it is cancelled, as an operation does that had completed before. */
function* lateValue<T>(ms: number, value: T): Generator<Wait, T> {
  yield* shield(sleep(ms));
  return value;
}

describe('a value with Symbol.dispose that the caller does not receive', () => {
  it('is disposed if its member of any or race returns after the decision', () => {
    for (const combine of [any, race]) {
      const [first, same, late] = [new Resource(), new Resource(), new Resource()];
      const members = [succeed(5, first), lateValue(5, same), lateValue(9, late)];
      expect(play(() => combine(members))).toBe(first);
      expect([first, same, late].map(({ disposals }) => disposals)).toEqual([0, 1, 1]);
    }
  });

  it('is disposed at once, before the last member has ended', () => {
    const late = new Resource();
    const seen: number[] = [];
    const slow = function* (): Generator<Wait, void> {
      yield* shield(sleep(20));
      seen.push(late.disposals);
    };
    play(() => race([succeed<unknown>(5, 1), lateValue(9, late), slow]));
    expect(seen).toEqual([1]);
  });

  it('is disposed if another member of all or map fails, before or after it', () => {
    const combine: Combinator[] = [
      all,
      (members) => map(members, (member) => member as Operation<unknown>),
    ];
    for (const run of combine) {
      const [early, late] = [new Resource(), new Resource()];
      const members = [succeed(1, early), failAfter(5, A), lateValue(9, late)];
      expect(observe(() => run(members)).result).toBe(A);
      expect([early.disposals, late.disposals]).toEqual([1, 1]);
    }
  });

  it('is disposed if an outer cancellation ends the combinator', () => {
    const combinators: Combinator[] = [all, allSettled];
    for (const combine of combinators) {
      const early = new Resource();
      expect(
        play(() => moveOnAfter(5, combine([succeed(1, early), sleepForever()]))),
      ).toBeUndefined();
      expect(early.disposals).toBe(1);
      const beforeError = new Resource();
      const members = [succeed(1, beforeError), failWhenCancelled(A), sleepForever()];
      expect(observe(() => moveOnAfter(5, combine(members))).result).toBe(A);
      expect(beforeError.disposals).toBe(1);
    }
  });

  it('is not disposed if the caller receives it, also as the same object twice', () => {
    const resource = new Resource();
    play(function* () {
      yield* any([succeed(1, resource), lateValue(2, resource)]);
      yield* race([lateValue(1, resource), lateValue(1, resource)]);
      yield* all([succeed(1, resource), succeed(2, resource)]);
      yield* allSettled([succeed(1, resource), failAfter(2, A)]);
      yield* map([1, 2], () => succeed(1, resource));
    });
    expect(resource.disposals).toBe(0);
  });

  it('reports an error of its disposal, and a value that cannot be examined is ignored', () => {
    const failing = {
      [Symbol.dispose]() {
        throw A;
      },
    };
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const members = [succeed<unknown>(1, 'x'), lateValue(2, failing), lateValue(2, proxy)];
    expect(observe(() => race(members))).toEqual({ result: 'x', unhandled: [A] });
  });
});

describe.each([
  ['race', race],
  ['any', any],
] as const)('%s over a receive', (_name, combine) => {
  it('leaves an item with its sender if another member has ended before', () => {
    play(() =>
      group(function* (g) {
        const jobs = new Channel<string>();
        const task = g.spawn(() => combine([jobs.receive(), succeed(0, 'other')]));
        yield* sleep(1);
        expect(jobs.trySend('job')).toBe(false);
        expect(yield* task.join()).toBe('other');
      }),
    );
  });

  it('returns an item that is sent in the batch in which another member would end', () => {
    const log: unknown[] = [];
    play(() =>
      group(function* (g) {
        const jobs = new Channel<string>();
        const other = function* (): Generator<Wait, string> {
          yield* sleep(5);
          return 'other';
        };
        const task = g.spawn(() => combine([other, jobs.receive()]));
        yield* sleep(5);
        log.push(jobs.trySend('job'), yield* task.join());
      }),
    );
    expect([
      [true, 'job'],
      [false, 'other'],
    ]).toContainEqual(log);
  });

  it('decides when the first of several receives takes effect', () => {
    play(() =>
      group(function* (g) {
        const [a, b] = [new Channel<string>(), new Channel<string>(1)];
        const members = [a.receive(), () => b.receive(), select({ a: a.receive() })];
        const task = g.spawn(() => combine<unknown[]>(members));
        yield* sleep(1);
        expect(b.trySend('b')).toBe(true);
        expect(a.trySend('a')).toBe(false);
        expect(b.trySend('stays')).toBe(true);
        expect(yield* task.join()).toBe('b');
        expect(b.tryReceive()).toBe('stays');
      }),
    );
  });

  it('describes the wait of the member as the receive does', () => {
    play(() =>
      group(function* (g) {
        const jobs = new Channel<string>(0, 'jobs');
        const task = g.spawn(() => combine([jobs.receive(), sleepForever()]));
        yield* sleep(1);
        expect(task.children().map(({ waitingOn }) => waitingOn)).toEqual([
          "receive from channel 'jobs'",
          'sleep forever',
        ]);
        task.cancel();
      }),
    );
  });
});
