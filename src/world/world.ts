/**
 * The world that a program runs in: real or simulated. The layers net and server find it through
 * the running task, so the same program runs on real sockets and in a simulation.
 */

import type { Operation } from '../kernel/operation.ts';
import type { Network } from './network.ts';
import type { MetricDefinitions, Platform } from './platform.ts';

/** The network, the process and the program of a task. */
export interface RuntimeWorld {
  /** Sockets and names. Created on first use. */
  readonly network: Network;
  /** `network` if it was used, otherwise null. Absent: `network` is always created. */
  readonly networkInUse?: Network | null;
  /** The process and its signals. */
  readonly platform: Platform;
  /** The state of the program under `main`; `undefined` without `main`. */
  readonly program: Program | undefined;
}

/** The state of a program, which its lifecycle, its servers and its health checks share. */
export interface Program {
  /** True from when the program can serve until the first stop signal, except while all of its
   *  servers have ended. */
  readonly ready: boolean;
  /** Why `ready` is false, for the response of `/readyz`. */
  readonly notReadyReason?: string | undefined;
  /** A signal has requested the program to stop. */
  readonly stopping: boolean;
  /** The program stops because a successor accepts from the same queue. */
  readonly replaced: boolean;
  /** The running servers, oldest first. */
  readonly servers: Iterable<StatsSource>;
  /** The program can serve. Has an effect once, and none after the first stop signal. */
  becomeReady(): void;
  /** A server listens. Makes the program ready, unless its `ready` option is 'manual'. */
  serverListens(server: StatsSource): void;
  /** The server at this address has ended. */
  serverEnds(address: object): void;
}

/** The numbers of a supervisor's workers. */
export interface WorkerNumbers {
  /** The number of workers that are to run. */
  readonly wanted: number;
  /** The number of workers that are ready and respond. With none, connections wait in queues. */
  readonly ready: number;
}

/** A source of stats: a server, or the workers of a supervisor. */
export interface StatsSource {
  /** The address object of its listener, which identifies the server. */
  readonly address: object;
  stats(): object;
  /** Definitions of the numbers in `stats()`. */
  readonly metrics?: MetricDefinitions;
  /** The worker processes that serve. Absent: this process serves. */
  readonly workers?: WorkerNumbers;
  /** Makes the worker processes write their tasks to standard error. */
  showTasks?(): void;
  /** Fetches the values that `stats()` returns from then on. Absent: `stats()` has them. */
  refresh?(): Operation<void>;
}
