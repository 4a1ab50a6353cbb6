// A leader lock: of several instances, one does the work. It holds a lease that it renews; if it
// crashes, the lease expires and another one takes over. Simulations check that two never lead.
import type { Operation, Socket } from 'coronet';
import { connect, isCancelled, now, sleep, tcpServer, timeout } from 'coronet';
import { simulate } from 'coronet/sim';

/** The lock server: answers with the name of the holder, and extends its lease of a second. */
function lockServer(): Operation<void> {
  let holder = '';
  let expires = 0;
  return tcpServer(80, function* (socket: Socket): Operation<void> {
    const name = yield* socket.reader().readLine();
    if (name === null) return;
    if (now() >= expires) holder = name;
    if (holder === name) expires = now() + 1000;
    yield* socket.sendAll(`${holder}\n`);
  });
}

function* holder(name: string): Operation<string | null> {
  using socket = yield* connect('lock:80');
  yield* socket.sendAll(`${name}\n`);
  return yield* socket.reader().readLine();
}

/** Asks for 300 ms at most, then works for 400 ms: less than the lease in all. */
function* instance(name: string, leading: Set<string>): Operation<void> {
  for (;;) {
    try {
      if ((yield* timeout(300, holder(name))) === name) {
        leading.add(name);
        yield* sleep(400); // the work
        leading.delete(name);
      }
    } catch (error) {
      if (isCancelled(error)) throw error;
    }
    yield* sleep(50);
  }
}

const { runs } = await simulate(
  function* (world) {
    const leading = new Set<string>();
    world.host('lock', lockServer);
    for (const name of ['a', 'b']) world.host(name, () => instance(name, leading));
    world.always('at most one instance leads', () => leading.size <= 1);
    yield* sleep(1000 + world.random() * 1000);
    const [leader = 'a'] = leading;
    world.crash(leader);
    leading.clear(); // a crash runs no cleanup
    world.eventually('the other leads', () => leading.size === 1, { withinMs: 5000 });
  },
  { runs: 100, link: { latencyMs: [1, 50], loss: 0.05 } },
);
console.log(`${runs} crashes`);

// Output:
// 100 crashes
