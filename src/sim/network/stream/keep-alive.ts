/**
 * TCP keep-alive: detects that a silent peer no longer exists (RFC 9293, 3.8.4; tcp(7)).
 *
 * On a real system every connection has a timer. Here a timer is armed only when a link was cut or
 * a reset was lost, for the time at which the real one would probe. So healthy connections cause no
 * events.
 */
import type { Timer } from '../../../kernel/timers.ts';
import type { SimCore } from '../../core.ts';
import type { LinkPair } from './connection.ts';
import type { SimSocket } from './socket.ts';

export class KeepAlive {
  readonly #core: SimCore;
  readonly #links: LinkPair;
  readonly #socket: SimSocket;
  /** Probes without an answer. */
  #unanswered = 0;
  #timer: Timer | null = null;
  readonly #onCut = (): void => this.scheduleProbe();

  constructor(core: SimCore, links: LinkPair, socket: SimSocket) {
    this.#core = core;
    this.#links = links;
    this.#socket = socket;
  }

  /** Applies a change of the option. */
  update(): void {
    this.stop();
    if (this.#socket.options.get('keepAlive') === 0) return;
    const { outbound, inbound } = this.#links;
    outbound.cutListeners.add(this.#onCut);
    inbound.cutListeners.add(this.#onCut);
    if (outbound.cut || inbound.cut || !this.#socket.peerAnswers()) this.scheduleProbe();
  }

  stop(): void {
    const { outbound, inbound } = this.#links;
    outbound.cutListeners.delete(this.#onCut);
    inbound.cutListeners.delete(this.#onCut);
    if (this.#timer !== null) this.#core.disarm(this.#timer);
    this.#timer = null;
  }

  /** The peer may no longer exist, and its reset may be lost. */
  scheduleProbe(): void {
    const { options, lastReceivedAt } = this.#socket;
    if (this.#timer !== null || options.get('keepAlive') === 0) return;
    this.#unanswered = 0;
    this.#arm(Math.max(this.#core.now, lastReceivedAt + options.get('keepAliveIdleMs')));
  }

  #arm(time: number): void {
    this.#timer = this.#core.callAt(time, () => {
      this.#timer = null;
      this.#probe();
    });
  }

  #probe(): void {
    const { outbound, inbound } = this.#links;
    const { options, lastReceivedAt, unacknowledged } = this.#socket;
    const nextProbeAt = lastReceivedAt + options.get('keepAliveIdleMs');
    if (nextProbeAt > this.#core.now) return this.#arm(nextProbeAt);
    const isUnreachable = outbound.cut || inbound.cut || outbound.held || inbound.held;
    if (!isUnreachable) return this.#onAnswer();
    // While bytes are unacknowledged, their retransmissions detect it.
    if (!unacknowledged && this.#unanswered++ >= options.get('keepAliveCount')) {
      this.stop();
      return this.#socket.timeOut();
    }
    this.#arm(this.#core.now + options.get('keepAliveIntervalMs'));
  }

  #onAnswer(): void {
    if (this.#socket.peerAnswers()) return;
    this.stop();
    this.#socket.receiveReset();
  }
}
