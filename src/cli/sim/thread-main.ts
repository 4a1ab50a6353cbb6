/** A worker thread of a campaign: loads the module once and simulates the blocks it receives. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Block, ThreadInput } from './block-runner.ts';
import { loadBlockRunner } from './block-runner.ts';

// A failure ends the thread, which the `Thread` of campaign.ts observes.
const runner = loadBlockRunner(workerData as ThreadInput);

parentPort?.on('message', (block: Block) => {
  void runner
    .then((loaded) => loaded.runBlock(block))
    .then((outcome) => parentPort?.postMessage(outcome));
});
