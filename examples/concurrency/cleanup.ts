// Cleanup that has to wait needs a shield: in a cancelled scope every operation is refused.
import type { Operation } from 'coronet';
import { moveOnAfter, run, shield, sleep, sleepForever } from 'coronet';

function* session(): Operation<void> {
  try {
    yield* sleepForever();
  } finally {
    yield* shield(sayGoodbye(), { withinMs: 1000 });
  }
}

function* sayGoodbye(): Operation<void> {
  yield* sleep(1);
  console.log('goodbye');
}

await run(() => moveOnAfter(5, session()));

// Output:
// goodbye
