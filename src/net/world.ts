/** How the pure rooms find the network under the task that is running. */
import { currentRecord } from '../kernel/current.ts';
import type { Network } from '../world/network.ts';
import type { World } from '../world/world.ts';

/** The world of the running task. */
export function currentWorld(): World {
  return currentRecord().scheduler.world as World;
}

/** The network of the running task. */
export function currentNetwork(): Network {
  return currentWorld().network;
}
