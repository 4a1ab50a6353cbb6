// Two tasks acquire two locks in opposite order. The second wait, which closes the cycle, throws.
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

function* reportsDeadlock(op: Operation<void>): Operation<void> {
  try {
    yield* op;
    console.log('acquired both locks');
  } catch (error) {
    if (!(error instanceof DeadlockError)) throw error;
    console.log(error.message);
  }
}

function* twoOrders(tasks: Group): Operation<void> {
  tasks.spawn(() => reportsDeadlock(both(a, b)), { name: 'reader' });
  tasks.spawn(() => reportsDeadlock(both(b, a)), { name: 'writer' });
}

await run(() => group(twoOrders));

// Output:
// These tasks wait for each other: 'writer' → 'reader' → 'writer'.
//   task 3 'writer' waits for lock 'a' held by task 2 'reader'
//   task 2 'reader' waits for lock 'b' held by task 3 'writer'
// acquired both locks
