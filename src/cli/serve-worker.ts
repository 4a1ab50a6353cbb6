/** The program of each process of `coronet serve --workers`. serve.ts starts it. */
import type { Address } from '../net/address.ts';
import { main } from '../node/main.ts';
import { tcpServer } from '../server/serve.ts';
import { reportFailure } from './errors.ts';
import { loadHandler } from './serve/handler-module.ts';

/** The command line argument, as JSON. */
export interface WorkerTask {
  readonly file: string;
  readonly address: Address;
  readonly graceMs: number;
}

// EPIPE is not a failure: the reader of a pipe may exit first.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

try {
  const { file, address, graceMs } = JSON.parse(process.argv[2] ?? '{}') as WorkerTask;
  const { handler, options } = await loadHandler(file);
  await main(() => tcpServer(address, handler, options), { graceMs });
} catch (error) {
  reportFailure(error);
}
