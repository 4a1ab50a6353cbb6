// A periodic job: at most one run at a time, at fixed times. A run that takes too long skips the
// times that it has missed, and a failure does not end the schedule. It runs in virtual time.
import type { Operation } from 'coronet';
import { group, isCancelled, now, sleep, sleepUntil, timeout } from 'coronet';
import { runSimulated } from 'coronet/sim';

/** Runs `job` every `intervalMs`, until it is cancelled. */
function* every(intervalMs: number, job: () => Operation<void>): Operation<void> {
  const start = now();
  for (;;) {
    try {
      yield* timeout(10 * intervalMs, job);
    } catch (error) {
      if (isCancelled(error)) throw error;
      console.log(`${now()} ms: failed: ${(error as Error).message}`);
    }
    const runs = Math.floor((now() - start) / intervalMs) + 1;
    yield* sleepUntil(start + runs * intervalMs);
  }
}

await runSimulated(function* () {
  const durations = [10, 250, 10, 10];
  function* flush(): Operation<void> {
    const duration = durations.shift() ?? 0;
    console.log(`${now()} ms: a run of ${duration} ms`);
    yield* sleep(duration);
    if (durations.length === 1) throw new Error('the disk is full');
  }
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => every(100, flush), { daemon: true });
    yield* sleep(450); // the program
  });
});

// Output:
// 0 ms: a run of 10 ms
// 100 ms: a run of 250 ms
// 400 ms: a run of 10 ms
// 410 ms: failed: the disk is full
