/** The interface of a world to its scenario: hosts, faults, links, invariants. Types only. */
import type { Operation } from '../kernel/operation.ts';
import type { ObservedSignal } from '../world/platform.ts';
import type { Link } from './core.ts';

/** A simulated host: a machine with its own address, which runs one program. */
export interface Host {
  readonly name: string;
  /** Its IPv4 address, "10.0.0.2". `connect('name:port')` resolves the name as well. */
  readonly address: string;
  /** True from the start of its program until the program ends or the host crashes. */
  readonly running: boolean;
  /** The exit code that its program has set, or with which it has ended; undefined if none. */
  readonly exitCode: number | undefined;
  /** The first 1000 lines that its program has written to standard error. */
  readonly lines: readonly string[];
}

/** A host, or its name. */
export type HostRef = Host | string;

/** Options of `world.host`. */
export interface HostOptions {
  /** The speed of its clock: 1 (default) is the world's speed, 1.01 is 1 % faster. Above 0. */
  readonly clockRate?: number;
}

/** Options of `world.eventually`. */
export interface EventuallyOptions {
  /** Virtual milliseconds, counted from the call or from the end of the last fault. */
  readonly withinMs: number;
}

/**
 * The world of a scenario. Every method takes effect at once and may be called from every task of
 * every host. As a host argument, `'*'` stands for all other hosts.
 *
 * Errors: TypeError and RangeError for wrong arguments and unknown hosts.
 */
export interface World {
  /** The host of the scenario: 'main'. */
  readonly self: Host;

  /**
   * Adds a host and starts `program` on it, at the next wait of the calling task. The host's
   * process ends when the program returns; the run fails when it throws. `restart` calls a function
   * again; an operation runs only once.
   */
  host(
    name: string,
    program: Operation<unknown> | (() => Operation<unknown>),
    options?: HostOptions,
  ): Host;

  /**
   * Kills the process of the host: its tasks vanish without their `finally` blocks, and its peers
   * receive a reset after the latency of the link. For a power failure, call `partition(host, '*')`
   * first.
   */
  crash(host: HostRef): void;

  /** Calls the program of the host again. A running process is crashed first. */
  restart(host: HostRef): void;

  /**
   * Sends a signal to the process of the host. If its program does not listen for the signal, the
   * process ends with exit code 128 + n.
   */
  signal(host: HostRef, signal: ObservedSignal): void;

  /** Drops everything between the two hosts, in both directions. */
  partition(a: HostRef, b: HostRef): void;

  /** Drops everything that `from` sends to `to`. The other direction is not affected. */
  partitionOneWay(from: HostRef, to: HostRef): void;

  /** Ends partitions between the two hosts, in both directions. */
  heal(a: HostRef, b: HostRef): void;

  /** Delays everything between the two hosts until `release`. Nothing is lost. */
  hold(a: HostRef, b: HostRef): void;

  /** Delivers what `hold` has delayed between the two hosts. */
  release(a: HostRef, b: HostRef): void;

  /** Sets how messages travel between the two hosts from now on, in both directions. */
  link(a: HostRef, b: HostRef, link: Link): void;

  /** A random number in [0, 1), determined by the seed. */
  random(): number;

  /** Virtual milliseconds since the start of the run: the world's clock, not that of a host. */
  now(): number;

  /**
   * Requires `predicate` to return true after every step of every task. The run fails
   * (ERR_INVARIANT) when it returns false or throws; the error contains the message that it throws.
   * It is called often, outside of tasks, and must not change any state.
   */
  always(name: string, predicate: () => boolean): void;

  /**
   * Requires `predicate` to return true once, after a step of any task, within `withinMs` of the
   * call or of the end of the last fault (partition, hold, crashed host), whichever is later;
   * otherwise the run fails (ERR_INVARIANT). If the scenario returns earlier, the hosts continue to
   * run until then.
   */
  eventually(name: string, predicate: () => boolean, options: EventuallyOptions): void;
}

/** The operation that `simulate` runs on the host 'main' of a world. */
export type Scenario = (world: World) => Operation<unknown>;
