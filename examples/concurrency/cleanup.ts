// Cleanup that waits needs a shield: in a cancelled scope every operation throws.
import type { Operation } from 'coronet';
import { moveOnAfter, run, shield, sleep, sleepForever } from 'coronet';

function* session(): Operation<void> {
  try {
    yield* sleepForever();
  } finally {
    yield* shield(closeSession(), { withinMs: 1000 });
  }
}

function* closeSession(): Operation<void> {
  yield* sleep(1);
  console.log('session closed');
}

await run(() => moveOnAfter(5, session()));

// Output:
// session closed
