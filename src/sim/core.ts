/**
 * The interfaces between the parts of the simulator: the core (clock, decisions, trace) and the
 * network model. Types only.
 */
import type { Timer } from '../kernel/timers.ts';
import type { Decisions } from './choices/decisions.ts';
import type { SimulatedNetwork } from './network/simulated-network.ts';

/**
 * Probabilities of rare but permitted behaviour of the system: each from 0 to 1 per opportunity.
 * Absent: 0.
 */
export interface Faults {
  /** A receive returns fewer bytes than are available, at least one. */
  readonly shortReads?: number;
  /** A send accepts fewer bytes than fit into the buffer, at least one. */
  readonly shortWrites?: number;
  /** A waiting task is woken although its operation cannot complete. */
  readonly spuriousWakeups?: number;
  /** A send resets the connection. */
  readonly resets?: number;
  /** An accept or a connect fails because no descriptor is left (EMFILE). */
  readonly emfile?: number;
  /** A connection becomes visible to accept only after a delay. */
  readonly slowAccept?: number;
}

/** How messages travel between two hosts. */
export interface Link {
  /** Minimum and maximum milliseconds of one message, one way. Default [1, 10]. */
  readonly latencyMs?: readonly [number, number];
  /** Bytes per second, one way. Default Infinity. */
  readonly bytesPerSecond?: number;
  /** Probability that a packet is lost (0). A datagram is dropped; a stream retransmits it. */
  readonly loss?: number;
  /** Probability that later datagrams overtake a datagram (0). Streams keep their order. */
  readonly reorder?: number;
}

/** A link with its defaults. */
export type LinkParameters = Required<Link>;

/** One event of a run. The trace hashes every event and keeps the most recent ones. */
export interface TraceEvent {
  /** Virtual milliseconds. */
  readonly at: number;
  /** The host on which the event happened or which sent the message. */
  readonly host: string;
  /** The receiving host of a message. */
  readonly peer?: string;
  /** 'step', 'send', 'deliver', 'reset', 'drop', 'fault', 'crash', 'partition', 'timer', … */
  readonly kind: string;
  /** A description to read: "task 3 'writer'", "12 bytes", "shortReads". */
  readonly text: string;
}

/** Observes the messages between hosts, while a run is recorded. */
export interface MessageObserver {
  /** A message leaves `from` for `to` now. Returns its number. */
  sent(from: string, to: string, what: string, bytes?: Uint8Array): number;
  arrived(message: number): void;
  lost(message: number): void;
}

/** The clock, the event queue, the decisions and the trace of one world. */
export interface SimCore {
  /** Null, unless the run is recorded. */
  readonly messages: MessageObserver | null;
  /** Virtual milliseconds since the start of the run: one clock for the whole world. */
  readonly now: number;
  readonly decisions: Decisions;
  readonly faults: Faults;
  /**
   * Calls `action` at `time`, between two steps. `disarm` cancels the returned timer. An event that
   * is due at `now` happens before the next step, even while tasks are ready: on a link without
   * latency, a program that spins (`while (!received) yield`) still receives messages.
   */
  callAt(time: number, action: () => void): Timer;
  /** The same with a reusable timer of the caller. Calls the timer's target. */
  arm(timer: Timer, time: number): void;
  disarm(timer: Timer): void;
  /**
   * Adds an event to the trace. `kind`, the two hosts ('' for none) and `value` are hashed; `text`
   * is called only if the event is shown. For a payload, `value` is `sample(bytes)` of
   * trace-hash.ts. The text of an injected fault (kind 'fault') begins with its name in `Faults`,
   * under which it is counted.
   */
  trace(kind: string, host: string, peer: string, value: number, text: () => string): void;
}

/** Creates the network between the hosts of a world. */
export type MakeNetworkModel = (
  core: SimCore,
  defaults: { readonly link: LinkParameters },
) => SimulatedNetwork;
