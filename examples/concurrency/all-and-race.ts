// all, race and any keep Promise's words; what loses is cancelled and has unwound before they
// return.
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
