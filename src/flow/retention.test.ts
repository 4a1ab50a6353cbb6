import { expect, test } from 'vitest';
import type { Wait } from '../kernel/operation.ts';
import { group } from '../kernel/task/group.ts';
import { sleep } from '../kernel/waits.ts';
import { run } from '../node/run.ts';
import { Broadcast } from './broadcast.ts';
import { Channel } from './channel.ts';
import { select } from './select/select.ts';

const collect = (globalThis as { gc?: () => void }).gc;

/** Makes items and counts those that were not collected. */
class Items {
  readonly #made: WeakRef<object>[] = [];

  make(): object {
    const item = { text: 'item' };
    this.#made.push(new WeakRef(item));
    return item;
  }

  get alive(): number {
    return this.#made.filter((ref) => ref.deref() !== undefined).length;
  }
}

test.runIf(collect)('an item that was received, dropped or not sent can be collected', async () => {
  const items = new Items();
  const [channel, other] = [new Channel<object>(1), new Channel<object>(0)];
  const news = new Broadcast<object>({ capacity: 4 });
  const subscription = news.subscribe();
  function* sender(): Generator<Wait, void> {
    for (let i = 0; i < 20; i++) {
      yield* channel.send(items.make());
      yield* news.send(items.make());
      yield* select({ item: other.send(items.make()), late: sleep(0) });
    }
  }
  function* receiver(): Generator<Wait, void> {
    for (let i = 0; i < 20; i++) {
      yield* select({ item: channel.receive(), other: other.receive(), late: sleep(1000) });
      yield* subscription.next();
    }
    channel.close();
  }
  await run(() =>
    group(function* (g) {
      g.spawn(function* () {
        try {
          yield* sender();
        } catch {
          other.close();
        }
      });
      g.spawn(receiver);
      yield;
    }),
  );
  while (channel.tryReceive() !== undefined);
  await new Promise((resolve) => setImmediate(resolve));
  collect?.();
  expect(channel.stats().sent).toBeGreaterThan(5);
  expect(items.alive).toBeLessThanOrEqual(subscription.stats().buffered);
});
