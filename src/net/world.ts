/** How the pure rooms find the network under the task that is running. */
import { currentRecord } from '../kernel/current.ts';
import type { Network } from '../world/network.ts';
import type { World } from '../world/world.ts';

/** The world of the running task. */
export function currentWorld(): World {
  return currentRecord().scheduler.world as World;
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
