// Two tasks acquire two locks in opposite order. The report names the holder of each lock.
import type { Group, Operation } from 'coronet';
import { DeadlockError, group, Lock, run, sleep } from 'coronet';

const a = new Lock('a');
const b = new Lock('b');

function* both(first: Lock, second: Lock): Operation<void> {
  yield* first.with(function* () {
    yield* sleep(1);
    yield* second.with(sleep(1));
  });
}

function* twoOrders(tasks: Group): Operation<void> {
  tasks.spawn(() => both(a, b), { name: 'reader' });
  tasks.spawn(() => both(b, a), { name: 'writer' });
}

try {
  await run(() => group(twoOrders));
} catch (error) {
  if (error instanceof DeadlockError) console.log(error.message);
}

// Output:
// These tasks wait for each other: 'writer' → 'reader' → 'writer'.
//   task 1 'main' waits for 2 tasks of group of 'main'
//   task 2 'reader' waits for lock 'b' held by task 3 'writer'
//   task 3 'writer' waits for lock 'a' held by task 2 'reader'
