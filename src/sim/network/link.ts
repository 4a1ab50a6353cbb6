/**
 * The link from one host to another: latency, bandwidth, loss. Each direction has its own link, so
 * a one-way partition cuts only one of them.
 *
 * Invariants:
 *  1. A message that leaves or would arrive while the link is cut is lost.
 *  2. Messages that would arrive while the link is held wait, in order, until it is released.
 *  3. Messages may overtake each other; a stream keeps its own order (stream/tcp-stream.ts).
 */

import type { Keys } from '../../support/checks.ts';
import {
  checkKeys,
  checkNumber,
  checkProbability,
  outOfRange,
  wrongType,
} from '../../support/checks.ts';
import type { DecisionStream } from '../choices/decisions.ts';
import type { Link, LinkParameters, SimCore } from '../core.ts';

/** A message of a host to itself arrives at once. */
const LOOPBACK: LinkParameters = {
  latencyMs: [0, 0],
  bytesPerSecond: Infinity,
  loss: 0,
  reorder: 0,
};

/** The actions for a packet that arrives, and for one that is lost. */
interface Packet {
  readonly onArrival: () => void;
  readonly onLoss: () => void;
}

export class NetworkLink {
  /** The names of the two hosts. */
  readonly from: string;
  readonly to: string;
  parameters: LinkParameters;
  held = false;
  /** Called when the link is cut. */
  readonly cutListeners: Set<() => void> = new Set();
  #cut = false;
  readonly #core: SimCore;
  readonly #decisionStream: DecisionStream;
  /** When the link has sent all bytes so far, at `bytesPerSecond`. */
  #busyUntil = 0;
  /** The arrival time of the latest datagram that keeps its order. */
  #lastDatagram = 0;
  /** Actions that wait for the release. */
  #heldActions: (() => void)[] = [];

  constructor(core: SimCore, from: string, to: string, parameters: LinkParameters) {
    this.#core = core;
    this.from = from;
    this.to = to;
    this.#decisionStream = core.decisions.stream('latency', `${from} ${to}`);
    this.parameters = from === to ? LOOPBACK : parameters;
  }

  /** The minimum latency. Makes no random choice. */
  get minLatencyMs(): number {
    return this.parameters.latencyMs[0];
  }

  /** True: every message is lost. */
  get cut(): boolean {
    return this.#cut;
  }

  set cut(cut: boolean) {
    this.#cut = cut;
    if (cut) for (const listener of [...this.cutListeners]) listener();
  }

  /** The arrival time of `bytes` bytes that are sent now. */
  arrivalTime(bytes: number): number {
    const { latencyMs, bytesPerSecond } = this.parameters;
    let leaves = this.#core.now;
    if (bytesPerSecond !== Infinity) {
      leaves = Math.max(leaves, this.#busyUntil) + (bytes * 1000) / bytesPerSecond;
      this.#busyUntil = leaves;
    }
    return leaves + this.#core.decisions.between(this.#decisionStream, latencyMs[0], latencyMs[1]);
  }

  /** Draws whether a packet that is sent now is lost. */
  drawLoss(): boolean {
    const { loss } = this.parameters;
    return this.#cut || this.#core.decisions.chance(this.#decisionStream, loss);
  }

  /**
   * Sends a packet without payload; `what` names it. Calls `onArrival`, not before `earliest`; or
   * `onLoss`, now if the packet is lost and at its arrival time if the link is cut by then.
   */
  sendPacket(
    what: string,
    onArrival: () => void,
    onLoss: () => void = () => {},
    earliest = 0,
  ): void {
    const packet = this.#observed({ onArrival, onLoss }, what);
    if (this.drawLoss()) return packet.onLoss();
    this.#scheduleArrival(Math.max(earliest, this.arrivalTime(0)), packet);
  }

  /** The same actions; in a recorded run they report the end of the message as well. */
  #observed(packet: Packet, what: string, bytes?: Uint8Array): Packet {
    const { messages } = this.#core;
    if (messages === null) return packet;
    const message = messages.sent(this.from, this.to, what, bytes);
    return {
      onArrival: () => {
        messages.arrived(message);
        packet.onArrival();
      },
      onLoss: () => {
        messages.lost(message);
        packet.onLoss();
      },
    };
  }

  /**
   * Sends a datagram and returns the time at which it leaves. Datagrams keep their order, unless
   * the link reorders them.
   */
  sendDatagram(bytes: Uint8Array, onArrival: () => void): number {
    const { reorder, latencyMs } = this.parameters;
    const { decisions, now } = this.#core;
    const text = (): string => 'a datagram was lost';
    const onLoss = (): void => this.#core.trace('drop', this.from, this.to, 0, text);
    const packet = this.#observed({ onArrival, onLoss }, 'datagram', bytes);
    if (this.drawLoss()) {
      packet.onLoss();
      return now;
    }
    let time = this.arrivalTime(bytes.length);
    if (decisions.chance(this.#decisionStream, reorder)) {
      time += decisions.between(this.#decisionStream, 0, latencyMs[1]) + latencyMs[1];
    } else {
      time = Math.max(time, this.#lastDatagram);
      this.#lastDatagram = time;
    }
    this.#scheduleArrival(time, packet);
    return Math.max(now, this.#busyUntil);
  }

  #scheduleArrival(time: number, { onArrival, onLoss }: Packet): void {
    const arrive = (): void => {
      if (this.held) this.#heldActions.push(arrive);
      else if (this.#cut) onLoss();
      else onArrival();
    };
    this.#core.callAt(time, arrive);
  }

  /** Calls `action` a latency after the link is released. */
  whenReleased(action: () => void): void {
    this.#heldActions.push(action);
  }

  release(): void {
    if (!this.held) return;
    this.held = false;
    const time = this.#core.now + this.minLatencyMs;
    for (const action of this.#heldActions.splice(0)) this.#core.callAt(time, action);
  }
}

const LINK_NAMES: Keys<Link> = { latencyMs: true, bytesPerSecond: true, loss: true, reorder: true };

const DEFAULT_LATENCY_MS: readonly [number, number] = [1, 10];

/** Checks the `link` of an option or of `world.link`, and adds the defaults. */
export function linkParameters(link: Link = {}): LinkParameters {
  checkKeys('link', link, LINK_NAMES);
  const { latencyMs = DEFAULT_LATENCY_MS, bytesPerSecond = Infinity, loss = 0, reorder = 0 } = link;
  checkLatency('link.latencyMs', latencyMs);
  checkProbability('link.loss', loss);
  checkProbability('link.reorder', reorder);
  const expected = 'a number of bytes per second > 0';
  const isValid = typeof bytesPerSecond === 'number' && bytesPerSecond > 0;
  checkNumber('link.bytesPerSecond', bytesPerSecond, expected, isValid);
  return { latencyMs, bytesPerSecond, loss, reorder };
}

function checkLatency(name: string, latency: readonly [number, number]): void {
  const expected = 'two numbers of milliseconds, [minimum, maximum]';
  const isPair = Array.isArray(latency) && latency.length === 2;
  if (!isPair || latency.some((ms) => typeof ms !== 'number')) {
    throw wrongType(name, expected, latency);
  }
  const [least, most] = latency;
  if (!(least >= 0 && most >= least && most < Infinity)) throw outOfRange(name, expected, latency);
}
