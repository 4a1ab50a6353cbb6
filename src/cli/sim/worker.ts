/** A thread of a campaign: loads the module once, and makes the blocks of runs that it is sent. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Block, WorkerInput } from './explorer.ts';
import { loadExplorer } from './explorer.ts';

// What fails here ends the thread, and the other side hears of it.
const explorer = loadExplorer(workerData as WorkerInput);

parentPort?.on('message', (block: Block) => {
  void explorer
    .then((loaded) => loaded.explore(block))
    .then((outcome) => parentPort?.postMessage(outcome));
});
