/** supervisor.mjs COUNT FILE [OPTIONS as JSON]: prints its events as JSON, one per line. */
import { main } from '../../../dist/index.js';
import { workers } from '../../../dist/workers.js';

const [, , count, file, options = '{}'] = process.argv;
const address = '127.0.0.1:0';

await main(supervise, { graceMs: 8000 });

function* supervise() {
  let running;
  yield* workers(Number(count), new URL('./worker.mjs', import.meta.url), {
    listen: address,
    args: [address, file],
    graceMs: 5000,
    onEvent: printEvent,
    onReady(all) {
      running = all;
      printEvent({ kind: 'serving', port: all.addresses[0].port });
    },
    ...JSON.parse(options),
  });
  const { total, restarts, reloads } = yield* running.stats();
  printEvent({ kind: 'end', total, restarts, reloads });
}

function printEvent(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}
