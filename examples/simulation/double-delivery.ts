// A double delivery: an order arrives, its answer is lost, and the client retries. The server
// delivers twice. Fix: every order has an id, and the server ignores an id that it has seen.
import type { Operation, Socket } from 'coronet';
import { connect, retry, tcpServer, timeout } from 'coronet';
import type { Scenario } from 'coronet/sim';
import { SimulationError, simulate } from 'coronet/sim';

/** A server that may remember the ids of the orders that it has seen. */
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
  if ((yield* socket.reader().readLine()) !== 'done')
    throw new Error('The shop has closed the connection');
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

/** Some connections are reset. */
const options = { runs: 1000, faults: { resets: 0.05 } };

try {
  await simulate(scenario, options);
} catch (error) {
  if (error instanceof SimulationError) console.log(`found: ${error.error}`);
}
const { runs } = await simulate(fixed, options);
console.log(`fixed: ${runs} runs`);

// Output:
// found: InvariantError: always 'no more than one is delivered' does not hold
// fixed: 1000 runs
