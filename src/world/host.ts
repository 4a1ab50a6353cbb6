/**
 * The contract of a host: it drives a scheduler by calling `turn()` whenever the scheduler has
 * asked for it, and stands for the world while no task can run. `node/host.ts` is the one in libuv.
 */
export type { Host } from '../kernel/host.ts';
