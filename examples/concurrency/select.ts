// select waits for several operations and completes exactly one of them.
import { Channel, Event, run, select, sleep } from 'coronet';

await run(function* () {
  const orders = new Channel<string>(1);
  const closing = new Event();
  orders.trySend('tea');

  for (let round = 0; round < 2; round++) {
    const chosen = yield* select({
      order: orders.receive(),
      closing: closing.wait(),
      late: sleep(5),
    });
    console.log(chosen.key === 'order' ? `order: ${chosen.value}` : chosen.key);
  }
});

// Output:
// order: tea
// late
