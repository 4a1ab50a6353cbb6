// Several gateways on one machine: each worker is a process that runs gateway.ts. They reach each
// other through NATS. kill -HUP replaces them one by one.
import type { Operation } from 'coronet';
import { group, main } from 'coronet';
import { health } from 'coronet/health';
import { workers } from 'coronet/workers';

const { WS_PORT = '25080', LINE_PORT = '25000', HEALTH = '127.0.0.1:9090', WORKERS } = process.env;

await main(
  () =>
    group(function* (tasks): Operation<void> {
      tasks.spawn(() => health(HEALTH), { daemon: true });
      yield* workers(Number(WORKERS ?? 2), new URL('./gateway.js', import.meta.url), {
        listen: [Number(WS_PORT), Number(LINE_PORT)],
        env: { HEALTH: 'none' },
        graceMs: 12_000,
      });
    }),
  { graceMs: 17_000 },
);
