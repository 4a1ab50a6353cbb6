// until() waits for a promise. Its signal aborts when the wait is cancelled.
import { setTimeout as delay } from 'node:timers/promises';
import { moveOnAfter, run, until } from 'coronet';

await run(function* () {
  console.log(yield* until(Promise.resolve('a promise')));

  const late = yield* moveOnAfter(
    5,
    until((signal) =>
      delay(60_000, 'too late', { signal }).catch((error: Error) => {
        console.log(error.name);
        throw error;
      }),
    ),
  );
  console.log(late);
});

// Output:
// a promise
// undefined
// AbortError
