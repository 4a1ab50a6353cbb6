/**
 * What a program asks of the world it runs in. The rooms above (net, server) find it through the
 * running task, so the same program runs on real sockets and in a simulation.
 */

import type { Operation } from '../kernel/operation.ts';
import type { Network } from './network.ts';
import type { MetricDefinitions, Platform } from './platform.ts';

export interface RuntimeWorld {
  /** Sockets and names. Made when it is first asked for. */
  readonly network: Network;
  /** The process and its signals. */
  readonly platform: Platform;
  /** Under `main`: the program as a whole. */
  readonly program: Program | undefined;
}

/** The state of a program as a whole: its frame, its servers and its health answers share it. */

/** A server, as far as a page of figures is concerned. */
export interface StatsSource {
  /** Its listener's own object: a server is known by it. */
  readonly address: object;
  stats(): object;
  /** Definitions of the numbers in `stats()`. */
  readonly metrics?: MetricDefinitions;
  /** Fetches what `stats()` then shows. Absent: it lies here. */
  refresh?(): Operation<void>;
}

export interface Program {
  /** True from the moment in which the program can serve until the first signal that ends it. */
  readonly ready: boolean;
  /** A signal has asked the program to come to its end. */
  readonly stopping: boolean;
  /** The program stops because a successor has its place, and accepts from the same queue. */
  readonly replaced: boolean;
  /** The servers that are at work, oldest first. */
  readonly servers: Iterable<StatsSource>;
  /** The program can serve. Heard once, and not after the first signal. */
  becomeReady(): void;
  /** A server listens. That is being ready, unless the program said that it will tell itself. */
  serverListens(server: StatsSource): void;
  /** The server at this address has come to its end. */
  serverEnds(address: object): void;
}
