/** The world and the network of the running task. */
import { runningTask } from '../kernel/current.ts';
import type { Network } from '../world/network.ts';
import type { RuntimeWorld } from '../world/world.ts';

/** The world that the running task belongs to. */
export function currentWorld(): RuntimeWorld {
  return runningTask().scheduler.world as RuntimeWorld;
}

/** The backend of the running task's network: 'epoll', 'portable' or 'sim'. `coronet doctor`
 *  explains the choice. */
export function backend(): string {
  return currentNetwork().backend;
}

/** The network of the running task. */
export function currentNetwork(): Network {
  return currentWorld().network;
}
