// A channel of capacity 2: the sender waits while it is full, the receiver while it is empty.
import { Channel, group, run } from 'coronet';

await run(function* () {
  const jobs = new Channel<number>(2, 'jobs');
  yield* group(function* (tasks) {
    tasks.spawn(function* () {
      for (let job = 1; job <= 4; job++) yield* jobs.send(job);
      jobs.close();
    });
    for (;;) {
      const { done, value } = yield* jobs.next();
      if (done) return;
      console.log(`job ${value}`);
    }
  });
});

// Output:
// job 1
// job 2
// job 3
// job 4
