// stop() cancels nothing: it asks. What is left after the grace period is cancelled.
import type { Operation } from 'coronet';
import { currentScope, group, run, sleep, sleepForever } from 'coronet';

function* polite(): Operation<void> {
  yield* currentScope().waitStopping();
  console.log('polite: finishing what I have');
}

function* deaf(): Operation<void> {
  try {
    yield* sleepForever();
  } finally {
    console.log('deaf: cut');
  }
}

await run(function* () {
  yield* group(function* (tasks) {
    tasks.spawn(polite);
    tasks.spawn(deaf);
    yield* sleep(1);
    tasks.stop({ graceMs: 10 });
  });
  console.log('stopped');
});

// Output:
// polite: finishing what I have
// deaf: cut
// stopped
