/** Prints what every task waits for while 1,000 workers wait for jobs. */
import { Channel, group, main, sleep } from 'coronet';
import { formatTaskTree } from 'coronet/inspect';

await main(() =>
  group(function* (tasks) {
    const jobs = new Channel<string>(8, 'jobs');
    for (let i = 1; i <= 1000; i++) {
      tasks.spawn(() => jobs.receive(), { name: `worker ${i}`, daemon: true });
    }
    yield* sleep(1);
    console.log(formatTaskTree().replace(/\d+(?:\.\d+)? ms/g, '… ms'));
  }),
);

// Output:
// 1,001 tasks, 0 ready, 0 timers, 0 external waits, longest turn … ms
// main (task 1): running
// └─ 1,000 × worker *: receive from channel 'jobs', up to … ms
// channel 'jobs': 0 of 8 items, 0 senders, 1,000 receivers
