/** What a scenario sees of its world: hosts, faults, links, invariants. Types only. */
import type { Operation } from '../kernel/operation.ts';
import type { ObservedSignal } from '../world/platform.ts';
import type { Link } from './core.ts';

/** A simulated host: a machine with an address of its own and one program. */
export interface Host {
  readonly name: string;
  /** Its IPv4 address, "10.0.0.2". `connect('name:port')` finds it, too. */
  readonly address: string;
  /** True from the start of its program to the program's end or the crash of the host. */
  readonly running: boolean;
  /** What its program has set or ended with, where it did. */
  readonly exitCode: number | undefined;
  /** The lines that its program has written to standard error, the first thousand. */
  readonly lines: readonly string[];
}

/** A host, or its name. */
export type HostRef = Host | string;

/** How a host differs from the others. */
export interface HostOptions {
  /** How fast its clock runs: 1 as the world's (default), 1.01 one percent faster. Above 0. */
  readonly clockRate?: number;
}

/** How long something may take to come true. */
export interface EventuallyOptions {
  /** Virtual milliseconds, counted from when the last fault was healed. */
  readonly withinMs: number;
}

/**
 * The world that a scenario plays in. Everything here takes effect at once and may be called from
 * every task of every host. Where hosts are given, `'*'` stands for every other host there is.
 *
 * Errors: TypeError and RangeError for wrong arguments and unknown hosts.
 */
export interface World {
  /** The host on which the scenario itself runs: 'main'. */
  readonly self: Host;

  /**
   * Adds a host and starts `program` on it, once the calling task waits. A program that returns
   * ends the host's process; one that throws fails the run. A function is called again by
   * `restart`; an operation can run only once.
   */
  host(
    name: string,
    program: Operation<unknown> | (() => Operation<unknown>),
    options?: HostOptions,
  ): Host;

  /**
   * The process of the host is killed: its tasks vanish without their `finally`, its peers get a
   * reset after the link's latency. For a power failure call `partition(host, '*')` first.
   */
  crash(host: HostRef): void;

  /** Calls the program of the host again. A host that still runs is crashed first. */
  restart(host: HostRef): void;

  /**
   * Sends a signal to the host's process. If its program does not listen for it, the process ends
   * with exit code 128 + n.
   */
  signal(host: HostRef, signal: ObservedSignal): void;

  /** Nothing passes between the two, in either direction. */
  partition(a: HostRef, b: HostRef): void;

  /** Nothing that `from` sends reaches `to`; the other direction stays as it is. */
  partitionOneWay(from: HostRef, to: HostRef): void;

  /** Ends partitions between the two, in both directions. */
  heal(a: HostRef, b: HostRef): void;

  /** What the two send to each other waits until `release`; nothing is lost. */
  hold(a: HostRef, b: HostRef): void;
  release(a: HostRef, b: HostRef): void;

  /** How messages travel between the two from now on, in both directions. */
  link(a: HostRef, b: HostRef, link: Link): void;

  /** A number in [0, 1), from the seed. */
  random(): number;

  /** Virtual milliseconds since the run began: the world's clock, whatever those of the hosts. */
  now(): number;

  /**
   * `predicate` has to be true after every step of every task; the run fails when it is not, or
   * when it throws. It is called often, outside of tasks, and must change nothing.
   */
  always(name: string, predicate: () => boolean): void;

  /**
   * `predicate` has to become true once, after a step of any task, within `withinMs` from now or
   * from when the last fault (partition, hold, crashed host) was healed, whichever is later. When
   * the scenario returns before that, the hosts go on until it is true or its time is over.
   */
  eventually(name: string, predicate: () => boolean, options: EventuallyOptions): void;
}

/** What is simulated: an operation on the host 'main' of a world. */
export type Scenario = (world: World) => Operation<unknown>;
