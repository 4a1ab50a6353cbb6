/** Writes what two tasks do to a file, which https://ui.perfetto.dev shows. */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Operation } from 'coronet';
import { Channel, group, sleep } from 'coronet';
import { trace } from 'coronet/inspect';

function* work(jobs: Channel<string>): Operation<void> {
  for (;;) {
    yield* jobs.receive();
    yield* sleep(2);
  }
}

function* program(): Operation<void> {
  const jobs = new Channel<string>(1, 'jobs');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => work(jobs), { name: 'worker', daemon: true });
    for (const job of ['one', 'two', 'three', 'four']) yield* jobs.send(job);
  });
}

const file = join(tmpdir(), 'jobs.json');
await trace(program, { file, name: 'jobs' });

const { traceEvents } = JSON.parse(readFileSync(file, 'utf8'));
const waits = traceEvents.filter((event: { cat: string }) => event.cat === 'wait');
for (const name of new Set(waits.map((event: { name: string }) => event.name))) console.log(name);

// Output:
// send to channel 'jobs'
// sleep 2 ms
// 1 task of group of 'jobs'
