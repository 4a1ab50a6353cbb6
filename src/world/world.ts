/**
 * What a program asks of the world it runs in. The rooms above (net, server) find it through the
 * running task, so the same program runs on real sockets and in a simulation.
 */
import type { Network } from './network.ts';
import type { Platform } from './platform.ts';
import type { Program } from './program.ts';

export interface World {
  /** Sockets and names. Made when it is first asked for. */
  readonly network: Network;
  /** The process and its signals. */
  readonly platform: Platform;
  /** Under `main`: the program as a whole. */
  readonly program: Program | undefined;
}
