// all and race work as those of Promise do, but cancel the operations that are no longer needed,
// and return after these have unwound.
import type { Operation } from 'coronet';
import { all, race, run, sleep } from 'coronet';

function* answer(name: string, ms: number): Operation<string> {
  try {
    yield* sleep(ms);
    return name;
  } finally {
    console.log(`${name} has ended`);
  }
}

await run(function* () {
  const { left, right } = yield* all({ left: answer('left', 60), right: answer('right', 5) });
  console.log(left, right);
  console.log(yield* race([answer('slow', 60_000), answer('fast', 5)]));
});

// Output:
// right has ended
// left has ended
// left right
// fast has ended
// slow has ended
// fast
