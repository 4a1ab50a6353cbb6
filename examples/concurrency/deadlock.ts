// Two locks taken in two orders: the report names who holds what.
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
