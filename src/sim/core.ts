/** What the parts of a simulated world share: its clock, its choices, its trace. Types only. */
import type { Timer } from '../kernel/timers.ts';
import type { Network } from '../world/network.ts';
import type { Decisions } from './choices/decisions.ts';

/** Chances of hostile but legal behaviour, each from 0 to 1 per opportunity; absent: 0. */
export interface Faults {
  /** A receive gives fewer bytes than are there, down to one. */
  readonly shortReads?: number;
  /** A send takes fewer bytes than there is room for, down to one. */
  readonly shortWrites?: number;
  /** A waiting task is woken although nothing has come. */
  readonly spuriousWakeups?: number;
  /** A connection is reset when something is sent on it. */
  readonly resets?: number;
  /** An accept or a connect finds no descriptor (EMFILE). */
  readonly emfile?: number;
  /** A connection waits a while before accept can see it. */
  readonly slowAccept?: number;
}

/** How messages travel between two hosts. */
export interface Link {
  /** Least and most milliseconds of a message, one way. */
  readonly latencyMs: readonly [number, number];
  /** Bytes per second, one way. Absent: no bound. */
  readonly bytesPerSecond?: number;
  /** Chance that a packet is lost: a datagram is gone, a stream sends it again, later. */
  readonly loss?: number;
  /** Chance that a datagram is overtaken by later ones. Streams keep their order. */
  readonly reorder?: number;
}

/** What can be seen to happen. The trace hashes every event and keeps the last ones. */
export interface TraceEvent {
  /** Virtual milliseconds. */
  readonly at: number;
  /** The host where it happened, or from which a message comes, and where that goes. */
  readonly host: string;
  readonly peer?: string;
  /** 'step', 'send', 'deliver', 'reset', 'drop', 'fault', 'crash', 'partition', 'timer', … */
  readonly kind: string;
  /** For people: "task 3 'writer'", "12 bytes", "shortReads". */
  readonly text: string;
}

/** The clock and the event queue of a world, its choices and its trace. */
export interface SimCore {
  /** Virtual milliseconds since the run began: one clock for the whole world. */
  readonly now: number;
  readonly decisions: Decisions;
  readonly faults: Faults;
  /**
   * Calls `action` at `time`, between steps. The timer can be disarmed through `forget`. What is
   * due at `now` comes before the next step, also while tasks are ready: on a link without latency
   * a program that spins (`while (!there) yield`) still hears of what was sent.
   */
  callAt(time: number, action: () => void): Timer;
  /** The same for a timer of the caller's own, kept and armed again: its target is told. */
  arm(timer: Timer, time: number): void;
  disarm(timer: Timer): void;
  /**
   * Adds `kind`, the two hosts ('' for none) and `value` to the hash of the trace; `text` is made
   * when needed. Of a payload `value` is `sample(bytes)` of trace-hash.ts. A fault that has fired
   * is of the kind 'fault', and its text begins with its name in `Faults`: so it is counted.
   */
  trace(kind: string, host: string, peer: string, value: number, text: () => string): void;
}

/**
 * What the core asks of the simulated network. Types only:
 * `SimulatedNetwork` in network/ is the one medium,
 * and tests of the core bring their own.
 */

/** The network of one host. */
export interface HostNetwork extends Network {
  /** The address of the host, IPv4. */
  readonly address: string;
}

/** What lies between the hosts of one world. Hosts are named by name. */
export interface NetworkModel {
  addHost(name: string): HostNetwork;
  /** The sockets of the host are gone; its peers hear of it through the network. */
  crash(name: string): void;
  /** A fresh network for the host, with the addresses that it had. */
  restart(name: string): HostNetwork;
  /** Nothing that `from` sends reaches `to`, until `heal`. */
  partition(from: string, to: string): void;
  heal(from: string, to: string): void;
  /** What the two send to each other waits until `release`. Nothing is lost. */
  hold(a: string, b: string): void;
  release(a: string, b: string): void;
  setLink(from: string, to: string, link: Link): void;
}

export type MakeNetworkModel = (core: SimCore, defaults: { readonly link: Link }) => NetworkModel;
