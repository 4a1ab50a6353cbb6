// stop() lets waitStopping() return. Tasks that remain after the grace period are cancelled.
import type { Operation } from 'coronet';
import { currentScope, group, run, sleep, sleepForever } from 'coronet';

function* cooperative(): Operation<void> {
  yield* currentScope().waitStopping();
  console.log('cooperative: finishing');
}

function* unaware(): Operation<void> {
  try {
    yield* sleepForever();
  } finally {
    console.log('unaware: cancelled');
  }
}

await run(function* () {
  yield* group(function* (tasks) {
    tasks.spawn(cooperative);
    tasks.spawn(unaware);
    yield* sleep(1);
    tasks.stop({ graceMs: 10 });
  });
  console.log('stopped');
});

// Output:
// cooperative: finishing
// unaware: cancelled
// stopped
