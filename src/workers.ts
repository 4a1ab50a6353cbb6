/**
 * coronet/workers: the same program in several processes that share its listening sockets, with
 * restarts, rolling reloads and statistics.
 */
export { WorkerError, type WorkerIdentity } from './server/workers/errors.ts';
export type { WorkerStats, WorkersStats } from './server/workers/stats.ts';
export type { WorkerState } from './server/workers/worker.ts';
export {
  type WorkerEvent,
  type Workers,
  type WorkersOptions,
  workers,
} from './server/workers/workers.ts';
export type { WorkerExit } from './world/platform.ts';
