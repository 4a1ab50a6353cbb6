// A time limit goes around any operation. Whose limit it was is never in doubt.
import { moveOnAfter, run, sleep, sleepForever, TimeoutError, timeout } from 'coronet';

await run(function* () {
  const nothing = yield* moveOnAfter(5, sleepForever());
  console.log(`moveOnAfter gave ${nothing}`);

  try {
    yield* timeout(1000, function* () {
      yield* timeout(5, sleep(60_000));
    });
  } catch (error) {
    if (error instanceof TimeoutError) console.log(error.message);
  }
});

// Output:
// moveOnAfter gave undefined
// The operation did not finish within 5 ms while waiting for sleep 60000 ms
