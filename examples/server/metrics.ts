// Metrics of a program's own: `/metrics` shows any object with `stats()`. A number is a gauge
// unless the source declares it as a counter.
import type { Operation, SocketAddress } from 'coronet';
import { Event, group, run, until } from 'coronet';
import type { MetricsSource } from 'coronet/health';
import { health } from 'coronet/health';

const jobs: MetricsSource = {
  stats: () => ({ waiting: 12, finished: 4711, longestWaitMs: 250 }),
  metrics: { finished: { kind: 'counter', help: 'Jobs that have finished.' } },
};

async function scrape(address: SocketAddress): Promise<string[]> {
  const response = await fetch(`http://${address}/metrics`);
  return (await response.text()).split('\n');
}

await run(() =>
  group(function* (tasks): Operation<void> {
    const listening = new Event('health listens');
    let address!: SocketAddress;
    const onListening = (at: SocketAddress): void => {
      address = at;
      listening.set();
    };
    const options = { servers: { jobs }, onListening };
    tasks.spawn(() => health('127.0.0.1:0', options), { daemon: true });
    yield* listening.wait();
    const lines = yield* until(scrape(address));
    for (const line of lines) if (line.startsWith('coronet_server_')) console.log(line);
  }),
);

// Output:
// coronet_server_waiting{server="jobs"} 12
// coronet_server_finished_total{server="jobs"} 4711
// coronet_server_longest_wait_seconds{server="jobs"} 0.25
