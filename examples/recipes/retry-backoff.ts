// Repeats a request that fails, with growing and random delays, but not after a failure that the
// next attempt cannot mend. The program runs in virtual time.
import type { Operation } from 'coronet';
import { now, retry, sleep, timeout } from 'coronet';
import { runSimulated } from 'coronet/sim';

class RejectedError extends Error {}

/** A service that fails twice, then works, and rejects an empty name. */
function* service(name: string, attempt: number): Operation<string> {
  yield* sleep(10);
  if (name === '') throw new RejectedError('the name is empty');
  if (attempt < 3) throw new Error('overloaded');
  return `${name} is stored`;
}

function* store(name: string): Operation<string> {
  const attempts = {
    times: 5,
    delayMs: 100,
    maxDelayMs: 10_000,
    jitter: 0.5, // half of each delay is random, so that many clients do not return together
    when: (error: unknown) => !(error instanceof RejectedError),
  };
  // The inner limit is for each attempt, the outer one for all of them.
  return yield* timeout(30_000, () =>
    retry((attempt) => timeout(1000, service(name, attempt)), attempts),
  );
}

await runSimulated(function* () {
  console.log(yield* store('Ada'));
  const before = now();
  try {
    yield* store('');
  } catch (error) {
    console.log(`${(error as Error).message}: one attempt of ${now() - before} ms`);
  }
});

// Output:
// Ada is stored
// the name is empty: one attempt of 10 ms
