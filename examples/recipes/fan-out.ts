// Asks several servers at once, continues with the first two answers, and cancels the rest.
import type { Operation } from 'coronet';
import { Channel, group, isCancelled, now, sleep, timeout } from 'coronet';
import { runSimulated } from 'coronet/sim';

/** The first `count` values of `operations`. The others are cancelled; each has a time limit. */
function* first<T>(
  operations: readonly (() => Operation<T>)[],
  count: number,
  limitMs: number,
): Operation<T[]> {
  const ended = new Channel<{ value: T } | { error: unknown }>(operations.length, 'ended');
  function* attempt(operation: () => Operation<T>): Operation<void> {
    try {
      ended.trySend({ value: yield* timeout(limitMs, operation) });
    } catch (error) {
      if (isCancelled(error)) throw error;
      ended.trySend({ error });
    }
  }
  return yield* group(function* (tasks): Operation<T[]> {
    for (const operation of operations) tasks.spawn(() => attempt(operation), { daemon: true });
    const values: T[] = [];
    const errors: unknown[] = [];
    while (values.length < count) {
      const result = yield* ended.receive();
      if ('value' in result) values.push(result.value);
      else errors.push(result.error);
      if (errors.length > operations.length - count) throw new AggregateError(errors, 'no quorum');
    }
    return values;
  });
}

function* ask(name: string, ms: number): Operation<string> {
  try {
    yield* sleep(ms);
    if (name === 'broken') throw new Error('broken');
    return name;
  } finally {
    console.log(`${name} has ended after ${now()} ms`);
  }
}

await runSimulated(function* () {
  const servers = { near: 10, broken: 20, far: 80, stuck: 60_000 };
  const requests = Object.entries(servers).map(
    ([name, ms]) =>
      () =>
        ask(name, ms),
  );
  console.log(yield* first(requests, 2, 1000));
});

// Output:
// near has ended after 10 ms
// broken has ended after 20 ms
// far has ended after 80 ms
// stuck has ended after 80 ms
// [ 'near', 'far' ]
