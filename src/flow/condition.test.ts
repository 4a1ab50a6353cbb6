import { expect, test } from 'vitest';
import { codeOf, play, VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import type { Wait } from '../kernel/operation.ts';
import { group } from '../kernel/task/group.ts';
import { sleep } from '../kernel/waits.ts';
import { Condition } from './condition.ts';
import { Lock } from './lock.ts';

test('condition.wait releases the lock and holds it again when it returns', () => {
  play(() =>
    group(function* (g) {
      const lock = new Lock();
      const changed = new Condition(lock, 'changed');
      const waiter = g.spawn(() =>
        lock.with(function* () {
          yield* changed.wait();
          expect(lock.ownedByCaller).toBe(true);
        }),
      );
      yield;
      expect(lock.locked).toBe(false);
      expect(waiter.waitingOn).toBe("condition 'changed'");
      expect(changed.stats()).toEqual({ name: 'changed', waiters: 1 });
      changed.notify();
      yield* waiter.join();
    }),
  );
});

test('condition.notify wakes as many tasks as given, in FIFO order', () => {
  const log: number[] = [];
  play(() =>
    group(function* (g) {
      const lock = new Lock();
      const changed = new Condition(lock);
      for (let id = 0; id < 5; id++) {
        g.spawn(() =>
          lock.with(function* () {
            yield* changed.wait();
            log.push(id);
          }),
        );
      }
      yield* sleep(1);
      changed.notify();
      yield* sleep(1);
      expect(log).toEqual([0]);
      changed.notify(2);
      yield* sleep(1);
      expect(log).toEqual([0, 1, 2]);
      changed.notifyAll();
    }),
  );
  expect(log).toEqual([0, 1, 2, 3, 4]);
});

test('a cancelled wait for a condition throws after it has acquired the lock again', () => {
  const log: string[] = [];
  play(() =>
    group(function* (g) {
      const lock = new Lock();
      const changed = new Condition(lock);
      const waiter = g.spawn(() =>
        lock.with(function* (): Generator<Wait, void> {
          try {
            yield* changed.wait();
          } finally {
            log.push(`waiter ${lock.ownedByCaller}`);
          }
        }),
      );
      yield;
      yield* lock.with(function* () {
        waiter.cancel();
        yield* sleep(3);
        log.push('holder');
      });
    }),
  );
  expect(log).toEqual(['holder', 'waiter true']);
});

test('a cancelled wait for a condition stops waiting for the lock when its shield expires', () => {
  const host = new VirtualHost();
  const waits: string[] = [];
  host.play(() =>
    group(function* (g) {
      const lock = new Lock();
      const changed = new Condition(lock);
      const waiter = g.spawn(() => lock.with(() => changed.wait()));
      yield;
      yield* lock.with(function* () {
        waiter.cancel();
        yield* sleep(6000);
        waits.push(waiter.state);
      });
    }),
  );
  expect(waits).toEqual(['cancelled']);
  expect(host.warnings).toMatchObject([{ code: 'ERR_SHIELD_EXPIRED' }]);
});

test('condition.wait throws ERR_NOT_OWNER if the caller does not hold the lock', () => {
  expect(() => new Condition({} as never)).toThrow('Expected `lock` to be a Lock');
  expect(codeOf(() => new Condition(new Lock()).wait())).toBe('ERR_NOT_OWNER');
});
