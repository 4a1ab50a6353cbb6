// A double delivery: the order arrives, the answer gets lost, the client tries again. The server is
// right, the client is right, and the customer gets two. The fix gives every order a name and lets
// the server remember the names.
import type { Operation, Socket } from 'coronet';
import { connect, retry, tcpServer, timeout } from 'coronet';
import type { Scenario } from 'coronet/sim';
import { SimulationError, simulate } from 'coronet/sim';

/** A server that remembers the names of the orders that it has seen, or does not. */
class Shop {
  delivered = 0;
  readonly #remembers: boolean;
  readonly #seen = new Set<string>();

  constructor(remembers: boolean) {
    this.#remembers = remembers;
  }

  *serve(socket: Socket): Operation<void> {
    const reader = socket.reader();
    for (;;) {
      const order = yield* reader.readLine();
      if (order === null) return;
      this.#deliver(order);
      yield* socket.sendAll('done\n');
    }
  }

  #deliver(order: string): void {
    if (this.#remembers && this.#seen.has(order)) return;
    this.#seen.add(order);
    this.delivered++;
  }
}

function* order(name: string): Operation<void> {
  using socket = yield* connect('shop:80');
  yield* socket.sendAll(`${name}\n`);
  if ((yield* socket.reader().readLine()) !== 'done') throw new Error('The shop has hung up');
}

function ordering(remembers: boolean): Scenario {
  return function* (world) {
    const shop = new Shop(remembers);
    world.host('shop', () => tcpServer(80, (socket) => shop.serve(socket)));
    world.always('no more than one is delivered', () => shop.delivered <= 1);
    yield* retry(() => timeout(1000, order('order 1')), { times: 10, delayMs: 100, jitter: 1 });
    if (shop.delivered !== 1) throw new Error('Nothing was delivered');
  };
}

export const scenario: Scenario = ordering(false);
export const fixed: Scenario = ordering(true);

/** Connections break now and then. */
const options = { runs: 1000, faults: { resets: 0.05 } };

try {
  await simulate(scenario, options);
} catch (error) {
  if (error instanceof SimulationError) console.log(`found: ${error.error}`);
}
const { runs } = await simulate(fixed, options);
console.log(`fixed: ${runs} runs`);

// Output:
// found: InvariantError: 'no more than one is delivered' does not hold
// fixed: 1000 runs
