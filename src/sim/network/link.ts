/**
 * The way from one host to another: how long messages take, whether they get lost. There is one for
 * each direction, so a cut one way leaves the other open.
 *
 * Invariants:
 *  1. What leaves while the way is cut is lost, and so is what would arrive then.
 *  2. What would arrive while the way is held waits, in order, until it is released.
 *  3. Messages may overtake each other; a stream keeps its own order (flow.ts).
 */

import type { DecisionStream } from '../choices/decisions.ts';
import type { Link, SimCore } from '../core.ts';

/** What the memory of a host takes: a message to itself arrives at once. */
const LOOPBACK: Link = { latencyMs: [0, 0] };

export class NetworkLink {
  /** Names of the two hosts. */
  readonly from: string;
  readonly to: string;
  parameters: Link;
  held = false;
  /** Told when the way is cut. */
  readonly cutListeners: Set<() => void> = new Set();
  #cut = false;
  readonly #core: SimCore;
  readonly #decisionStream: DecisionStream;
  /** When the last byte that was sent so far has left: the way carries `bandwidth` and no more. */
  #busyUntil = 0;
  /** When the last datagram arrives that was not to be overtaken. */
  #lastDatagram = 0;
  /** What waits for the release. */
  #heldActions: (() => void)[] = [];

  constructor(core: SimCore, from: string, to: string, parameters: Link) {
    this.#core = core;
    this.from = from;
    this.to = to;
    this.#decisionStream = core.decisions.stream('latency', `${from} ${to}`);
    this.parameters = from === to ? LOOPBACK : parameters;
  }

  /** The time for which a small message is under way at least. Draws nothing. */
  get minLatencyMs(): number {
    return this.parameters.latencyMs[0];
  }

  /** True: nothing gets through. */
  get cut(): boolean {
    return this.#cut;
  }

  set cut(cut: boolean) {
    this.#cut = cut;
    if (cut) for (const watcher of [...this.cutListeners]) watcher();
  }

  /** When `bytes` bytes arrive that leave now. */
  arrivalTime(bytes: number): number {
    const { latencyMs, bytesPerSecond } = this.parameters;
    let leaves = this.#core.now;
    if (bytesPerSecond !== undefined) {
      leaves = Math.max(leaves, this.#busyUntil) + (bytes * 1000) / bytesPerSecond;
      this.#busyUntil = leaves;
    }
    return leaves + this.#core.decisions.between(this.#decisionStream, latencyMs[0], latencyMs[1]);
  }

  /** Whether a packet that leaves now gets lost. */
  losesPacket(): boolean {
    return (
      this.#cut || this.#core.decisions.chance(this.#decisionStream, this.parameters.loss ?? 0)
    );
  }

  /**
   * Carries a packet without bytes: `arrives` is called when it is there, `lost` when it got lost
   * (at once, or when it would have arrived). It arrives at `earliest` or later.
   */
  sendPacket(earliest: number, arrives: () => void, lost: () => void = ignore): void {
    if (this.losesPacket()) return lost();
    const time = Math.max(earliest, this.arrivalTime(0));
    const arrive = (): void => {
      if (this.held) this.#heldActions.push(arrive);
      else if (this.#cut) lost();
      else arrives();
    };
    this.#core.callAt(time, arrive);
  }

  /**
   * Carries a datagram of `bytes` bytes and answers with when it leaves. Datagrams keep their
   * order, but for those that the link lets the later ones overtake.
   */
  sendDatagram(bytes: number, arrives: () => void): number {
    const { reorder = 0, latencyMs } = this.parameters;
    if (this.losesPacket()) {
      this.#trace('drop', () => 'a datagram, lost on the way');
      return this.#core.now;
    }
    let time = this.arrivalTime(bytes);
    if (this.#core.decisions.chance(this.#decisionStream, reorder)) {
      time += this.#core.decisions.between(this.#decisionStream, 0, latencyMs[1]) + latencyMs[1];
    } else {
      time = Math.max(time, this.#lastDatagram);
      this.#lastDatagram = time;
    }
    const arrive = (): void => {
      if (this.held) this.#heldActions.push(arrive);
      else if (this.#cut) this.#trace('drop', () => 'a datagram, lost on the way');
      else arrives();
    };
    this.#core.callAt(time, arrive);
    return Math.max(this.#core.now, this.#busyUntil);
  }

  #trace(kind: string, text: () => string): void {
    this.#core.trace(kind, this.from, this.to, 0, text);
  }

  /** Calls `action` once the way is free, a latency later. */
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

function ignore(): void {}
