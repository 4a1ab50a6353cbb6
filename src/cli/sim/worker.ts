/** A worker thread of a campaign: loads the module once and simulates the blocks it receives. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Block, WorkerInput } from './explorer.ts';
import { loadExplorer } from './explorer.ts';

// A failure ends the thread, which the `Thread` of campaign.ts observes.
const explorer = loadExplorer(workerData as WorkerInput);

parentPort?.on('message', (block: Block) => {
  void explorer
    .then((loaded) => loaded.explore(block))
    .then((outcome) => parentPort?.postMessage(outcome));
});
