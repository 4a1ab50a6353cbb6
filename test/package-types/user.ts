// What a user's program sees of the package: its types, with every declaration file checked.
import type { Operation, Socket } from 'coronet';
import { all, Channel, group, run, select, sleep, tcpServer, timeout } from 'coronet';
import { Parking, park } from 'coronet/lowlevel';
import type { SimReport } from 'coronet/sim';
import { SimulationError, simulate, simulateTest } from 'coronet/sim';

function* echo(socket: Socket): Operation<void> {
  yield ['recv', socket];
  const data: Buffer = yield* socket.recv();
  yield* socket.sendAll(data);
}

function* program(): Operation<number> {
  const channel = new Channel<number>(1, 'numbers');
  yield* channel.send(1);
  const [first, text] = yield* all([channel.receive(), justText]);
  const chosen = yield* select({ late: sleep(1), item: channel.receive() });
  const length: number = text.length;
  const served: void = yield* timeout(1, tcpServer(0, echo));
  const woken: string = yield* park<string>(new Parking());
  const sum = yield* group(function* (tasks) {
    const task = tasks.spawn(function* () {
      return first + length + woken.length;
    });
    return yield* task.join();
  });
  return chosen.key === 'item' ? sum + chosen.value : Number(served);
}

function* justText(): Operation<string> {
  yield* sleep(1);
  return 'text';
}

const promise: Promise<number> = run(program);
void promise;

const report: Promise<SimReport> = simulate(
  function* (world) {
    const server = world.host('server', () => tcpServer(25000, echo));
    world.always('runs', () => server.running);
    world.partition(server, '*');
    const waited: void = yield* sleep(world.random());
    return waited;
  },
  { runs: 10, order: 'pct', faults: { shortReads: 0.5 }, link: { latencyMs: [1, 5] } },
);
report.catch(async (error: unknown) => {
  if (!(error instanceof SimulationError) || error.replay === undefined) return;
  const left: number | undefined = error.shrunk?.choices;
  void left;
  await simulate(program, { replay: error.replay });
});

const test = (_name: string, body: () => Promise<void>): Promise<void> => body();
simulateTest('the program runs', program, { test, runs: 10, regressions: 'failures.txt' });
