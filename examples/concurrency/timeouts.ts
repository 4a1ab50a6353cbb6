// A time limit applies to any operation. An outer and an inner limit are not confused.
import { moveOnAfter, run, sleep, sleepForever, TimeoutError, timeout } from 'coronet';

await run(function* () {
  const nothing = yield* moveOnAfter(5, sleepForever());
  console.log(`moveOnAfter returned ${nothing}`);

  try {
    yield* timeout(1000, function* () {
      yield* timeout(5, sleep(60_000));
    });
  } catch (error) {
    if (error instanceof TimeoutError) console.log(error.message);
  }
});

// Output:
// moveOnAfter returned undefined
// The operation did not finish within 5 ms while waiting for sleep 60000 ms
