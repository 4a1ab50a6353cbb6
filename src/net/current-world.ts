/** How the pure rooms find the network under the task that is running. */
import { runningTask } from '../kernel/current.ts';
import type { Network } from '../world/network.ts';
import type { RuntimeWorld } from '../world/world.ts';

/** The world of the running task. */
export function currentWorld(): RuntimeWorld {
  return runningTask().scheduler.world as RuntimeWorld;
}

/**
 * What carries the sockets of the running task: 'epoll', 'portable', or 'sim'. `coronet doctor`
 * says why.
 */
export function backend(): string {
  return currentNetwork().backend;
}

/** The network of the running task. */
export function currentNetwork(): Network {
  return currentWorld().network;
}
