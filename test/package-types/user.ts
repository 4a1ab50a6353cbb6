// A user's program that imports every entry point: it checks the types of the package.
import type { Operation, Socket } from 'coronet';
import { all, Channel, group, run, select, sleep, tcpServer, timeout } from 'coronet';
import type { HealthOptions } from 'coronet/health';
import { health } from 'coronet/health';
import { Parking, park } from 'coronet/lowlevel';
import type { SimReport } from 'coronet/sim';
import { SimulationError, simulate, simulateTest } from 'coronet/sim';
import type { NatsOptions, TopicItem } from 'coronet/topics';
import { natsTopics } from 'coronet/topics';
import type { WorkerEvent, WorkersStats } from 'coronet/workers';
import { WorkerError, workers } from 'coronet/workers';
import type { WebSocketConnection } from 'coronet/ws';
import { connectWs, wsServer } from 'coronet/ws';

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

const healthOptions: HealthOptions = {};
const events: WorkerEvent[] = [];
const supervised = run(function* () {
  yield* group(function* (tasks) {
    tasks.spawn(() => health(9090, healthOptions), { daemon: true });
    yield* workers(2, new URL('./server.js', import.meta.url), {
      onEvent: (event) => events.push(event),
      onReady(running) {
        const stats: Operation<WorkersStats> = running.stats();
        void stats;
      },
    });
  });
});
supervised.catch((error: unknown) => error instanceof WorkerError && error.code);

export function* firstItem(options: NatsOptions): Operation<TopicItem | undefined> {
  using topics = yield* natsTopics(options);
  using subscription = yield* topics.subscribe('rooms.*', { capacity: 10, slow: 'drop-oldest' });
  return (yield* subscription.next()).value;
}

export function* shoutingServer(): Operation<void> {
  yield* wsServer(0, function* (ws: WebSocketConnection) {
    const message: string | Buffer | null = yield* ws.receive();
    yield* ws.send(String(message).toUpperCase());
  });
  using client = yield* connectWs('ws://localhost/');
  yield* client.close(1000, 'done');
}
