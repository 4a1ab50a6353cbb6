// A pool of tasks: jobs arrive over time, three tasks work on them, and the queue is bounded, so a
// producer that is too fast waits. A job that fails does not end the pool.
import type { Operation } from 'coronet';
import { Channel, group, isCancelled, sleep } from 'coronet';
import { runSimulated } from 'coronet/sim';

type Job = () => Operation<void>;

/** Runs jobs until the channel is closed and empty. */
function* worker(jobs: Channel<Job>): Operation<void> {
  for (;;) {
    const { done, value: job } = yield* jobs.next();
    if (done) return;
    try {
      yield* job();
    } catch (error) {
      if (isCancelled(error)) throw error;
      console.log(`failed: ${(error as Error).message}`);
    }
  }
}

await runSimulated(function* () {
  const jobs = new Channel<Job>(10, 'jobs');
  let running = 0;
  let most = 0;
  yield* group(function* (tasks): Operation<void> {
    for (let i = 1; i <= 3; i++) tasks.spawn(() => worker(jobs), { name: `worker ${i}` });
    for (let number = 1; number <= 20; number++) {
      yield* jobs.send(function* () {
        most = Math.max(most, ++running);
        yield* sleep(10);
        running--;
        if (number === 7) throw new Error(`job ${number}`);
      });
    }
    jobs.close(); // The workers finish what is queued, and the group ends.
  });
  console.log(`at most ${most} at a time, ${running} are left`);
});

// Output:
// failed: job 7
// at most 3 at a time, 0 are left
