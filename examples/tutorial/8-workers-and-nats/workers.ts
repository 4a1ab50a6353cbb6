// Two gateways on one machine: each worker is a process that runs gateway.ts. kill -HUP replaces
// them one by one.
import { main } from 'coronet';
import { workers } from 'coronet/workers';

const gateway = new URL('./gateway.ts', import.meta.url);
const listen = ['127.0.0.1:25000', '127.0.0.1:25080'];

await main(
  () =>
    workers(2, gateway, {
      listen,
      graceMs: 12_000,
      onReady: () => console.log(`process ${process.pid}: two gateways are ready`),
    }),
  { graceMs: 15_000 },
);
