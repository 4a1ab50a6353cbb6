// A run with an oversold shop. An invariant that returns false fails the run; one that throws also
// shows the values. A handler that fails ends only its connection, so it is a warning of the run;
// an `onError` that throws the error again fails the run.
import type { Operation, Socket } from 'coronet';
import { connect, tcpServer } from 'coronet';
import type { Scenario } from 'coronet/sim';
import { SimulationError, simulate } from 'coronet/sim';

/** Sells one item to every client and fails when none is left. */
function* sell(shop: { stock: number }, socket: Socket): Operation<void> {
  shop.stock--;
  if (shop.stock < 0) throw new Error('sold out');
  yield* socket.sendAll('sold\n');
}

function* buy(): Operation<void> {
  const socket = yield* connect('shop:80');
  yield* socket.reader().readLine();
  socket.close();
}

const lenient: Scenario = function* (world) {
  const shop = { stock: 1 };
  world.host('shop', () => tcpServer(80, (socket) => sell(shop, socket)));
  for (let i = 0; i < 2; i++) yield* buy();
};

const strict: Scenario = function* (world) {
  const shop = { stock: 1 };
  const onError = (error: unknown) => {
    throw error;
  };
  world.host('shop', () => tcpServer(80, (socket) => sell(shop, socket), { onError }));
  for (let i = 0; i < 2; i++) yield* buy();
};

const checked: Scenario = function* (world) {
  const shop = { stock: 1 };
  world.host('shop', () => tcpServer(80, (socket) => sell(shop, socket)));
  world.always('no item is sold twice', () => {
    if (shop.stock >= 0) return true;
    throw new Error(`${shop.stock} items are left`);
  });
  for (let i = 0; i < 2; i++) yield* buy();
};

const { warnings } = await simulate(lenient);
for (const warning of warnings) console.log(`lenient: ${warning.replace(/ \(at .*/, '')}`);
for (const [name, scenario] of Object.entries({ strict, checked })) {
  try {
    await simulate(scenario);
  } catch (error) {
    if (error instanceof SimulationError) console.log(`${name}: ${error.error}`);
  }
}

// Output:
// lenient: host 'shop': the handler of a connection failed: Error: sold out
// strict: Error: sold out
// checked: InvariantError: always 'no item is sold twice' threw Error: -1 items are left
