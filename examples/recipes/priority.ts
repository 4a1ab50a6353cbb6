// Two priorities: urgent items overtake normal ones. `select` alone would choose fairly between two
// channels that are ready, so the urgent one is checked first.
import type { Operation } from 'coronet';
import { Channel, group, run, select } from 'coronet';

const urgent = new Channel<string>(10, 'urgent');
const normal = new Channel<string>(10, 'normal');

/** The next item, an urgent one if there is any. */
function* next(): Operation<string> {
  const first = urgent.tryReceive();
  if (first !== undefined) return first;
  const { value } = yield* select({ urgent: urgent.receive(), normal: normal.receive() });
  return value;
}

await run(function* () {
  for (const item of ['report', 'backup']) normal.trySend(item);
  for (const item of ['alarm', 'login']) urgent.trySend(item);
  yield* group(function* (tasks): Operation<void> {
    for (let i = 0; i < 4; i++) console.log(yield* next());
    const waiting = tasks.spawn(next); // Both channels are empty: it waits for either.
    yield* normal.send('cleanup');
    console.log(yield* waiting.join());
  });
});

// Output:
// alarm
// login
// report
// backup
// cleanup
