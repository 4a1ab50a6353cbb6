// A group starts tasks and ends after all of them have ended.
import type { Operation } from 'coronet';
import { group, run, sleep } from 'coronet';

function* work(name: string, ms: number): Operation<string> {
  yield* sleep(ms);
  console.log(`${name} is done`);
  return name;
}

await run(function* () {
  const longest = yield* group(function* (tasks) {
    tasks.spawn(() => work('short', 1));
    const long = tasks.spawn(() => work('long', 60), { name: 'long' });
    return yield* long.join();
  });
  console.log(`all have ended, the longest was ${longest}`);
});

// Output:
// short is done
// long is done
// all have ended, the longest was long
