// A parallel map with a bound: a thousand look-ups, at most ten at a time, and the values in the
// order of the items. After a failure the others are cancelled. It runs in virtual time.
import type { Operation } from 'coronet';
import { map, now, sleep } from 'coronet';
import { runSimulated } from 'coronet/sim';

let running = 0;
let most = 0;

function* lookUp(id: number): Operation<number> {
  most = Math.max(most, ++running);
  try {
    yield* sleep(20);
    if (id === 5000) throw new Error('there is no item 5000');
    return id * 2;
  } finally {
    running--;
  }
}

await runSimulated(function* () {
  const ids = Array.from({ length: 1000 }, (_, id) => id);
  const values = yield* map(ids, lookUp, { concurrency: 10 });
  console.log(`${values.length} values, the last is ${values.at(-1)}, after ${now()} ms`);
  console.log(`at most ${most} at a time`);
  try {
    yield* map([1, 2, 5000, 4], lookUp, { concurrency: 2 });
  } catch (error) {
    console.log(`${(error as Error).message}; ${running} are running`);
  }
});

// Output:
// 1000 values, the last is 1998, after 2000 ms
// at most 10 at a time
// there is no item 5000; 0 are running
