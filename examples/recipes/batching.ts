// Collects items and writes them in batches: of at most four items, and at the latest 50 ms after
// the first one was taken. It runs in virtual time.
import type { Operation } from 'coronet';
import { Channel, group, now, select, sleep, sleepUntil } from 'coronet';
import { runSimulated } from 'coronet/sim';

/** Calls `write` with batches until the channel is closed and empty. */
function* batches<T>(items: Channel<T>, write: (batch: T[]) => Operation<void>): Operation<void> {
  for (;;) {
    const { done, value } = yield* items.next();
    if (done) return;
    const batch = [value];
    const latest = now() + 50;
    while (batch.length < 4) {
      const chosen = yield* select({ item: items.next(), late: sleepUntil(latest) });
      if (chosen.key === 'late' || chosen.value.done) break;
      batch.push(chosen.value.value);
    }
    yield* write(batch);
  }
}

function* write(batch: number[]): Operation<void> {
  console.log(`${now()} ms: ${batch}`);
  yield* sleep(5);
}

await runSimulated(
  function* () {
    const items = new Channel<number>(100, 'items');
    yield* group(function* (tasks): Operation<void> {
      tasks.spawn(() => batches(items, write));
      for (let item = 1; item <= 9; item++) {
        yield* items.send(item);
        yield* sleep(item < 6 ? 1 : 30);
      }
      items.close();
    });
  },
  { order: 'fifo' },
);

// Output:
// 3 ms: 1,2,3,4
// 58 ms: 5,6,7
// 115 ms: 8,9
