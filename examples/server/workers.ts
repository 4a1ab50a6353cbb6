// Two processes serve one address: node workers.js [port] [health port]. kill -HUP replaces the
// workers one by one, and kill -TERM drains all of them.
//
// Probes and scrapers connect to this process: its `/metrics` shows the totals of the workers.
import type { Operation } from 'coronet';
import { group, main } from 'coronet';
import { health } from 'coronet/health';
import { workers } from 'coronet/workers';

const [port = '25000', healthPort = '9090'] = process.argv.slice(2);
const module = new URL('./worker.js', import.meta.url);

function* program(): Operation<void> {
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => health(Number(healthPort)), { daemon: true });
    yield* workers(2, module, {
      listen: { host: '127.0.0.1', port: Number(port) },
      args: [port],
      graceMs: 12_000, // the grace period of a worker, and a margin
      onReady: (running) => {
        console.log(`process ${process.pid} serves on ${running.addresses.join(', ')}`);
      },
    });
  });
}

await main(program, { graceMs: 17_000 }); // the grace period of `workers`, and a margin
