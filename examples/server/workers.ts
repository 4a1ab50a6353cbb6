// Two processes serve one address: node workers.js [port] [port of health]. Then kill -HUP its pid
// to replace them one by one, and kill -TERM to drain them all.
//
// Probes and the scraper of figures ask this process, since there is one of it: its `/metrics` asks
// the workers and has their sums.
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
      graceMs: 12_000, // what a worker gets: its own grace, and a little more
      onReady: (running) => {
        console.log(`process ${process.pid} serves on ${running.addresses.join(', ')}`);
      },
    });
  });
}

await main(program, { graceMs: 17_000 }); // and what all of them get together
