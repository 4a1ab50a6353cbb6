/**
 * Keep-alive: finds out that a silent peer is no more (RFC 9293, 3.8.4; tcp(7)).
 *
 * On a real system a timer runs for every connection. Here the world knows when there is something
 * to find out: a way was cut, or a reset got lost. Only then is a timer armed, for the moment at
 * which the real one would probe; so connections that are well keep no world from coming to rest.
 */
import type { Timer } from '../../../kernel/timers.ts';
import type { SimCore } from '../../core.ts';
import type { SocketOptions } from '../options.ts';
import type { LinkPair } from './connection.ts';

/** The connection that is probed. */
export interface KeepAliveTarget {
  readonly options: SocketOptions;
  /** When something has come from the peer for the last time. */
  readonly lastReceivedAt: number;
  /** True: sent bytes are not acknowledged, so retransmissions probe already. */
  readonly unacknowledged: boolean;
  /** False: the peer's end is no more; it answers with a reset. */
  peerAnswers(): boolean;
  timeOut(): void;
  receiveReset(): void;
}

export class KeepAlive {
  readonly #core: SimCore;
  readonly #links: LinkPair;
  readonly #target: KeepAliveTarget;
  /** Probes without an answer. */
  #unanswered = 0;
  #timer: Timer | null = null;
  readonly #onCut = (): void => this.scheduleProbe();

  constructor(core: SimCore, links: LinkPair, probed: KeepAliveTarget) {
    this.#core = core;
    this.#links = links;
    this.#target = probed;
  }

  /** The option was changed. */
  update(): void {
    this.stop();
    if (this.#target.options.get('keepAlive') === 0) return;
    const { outbound, inbound } = this.#links;
    outbound.cutListeners.add(this.#onCut);
    inbound.cutListeners.add(this.#onCut);
    if (outbound.cut || inbound.cut || !this.#target.peerAnswers()) this.scheduleProbe();
  }

  stop(): void {
    const { outbound, inbound } = this.#links;
    outbound.cutListeners.delete(this.#onCut);
    inbound.cutListeners.delete(this.#onCut);
    if (this.#timer !== null) this.#core.disarm(this.#timer);
    this.#timer = null;
  }

  /** It may be that the peer is no more, and will not tell. */
  scheduleProbe(): void {
    const { options, lastReceivedAt } = this.#target;
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
    const { options } = this.#target;
    const idle = options.get('keepAliveIdleMs');
    const quietSince = this.#target.lastReceivedAt + idle;
    if (quietSince > this.#core.now) return this.#arm(quietSince);
    const silent = outbound.cut || inbound.cut || outbound.held || inbound.held;
    if (!silent) return this.#answered();
    if (!this.#target.unacknowledged && this.#unanswered++ >= options.get('keepAliveCount')) {
      this.stop();
      return this.#target.timeOut();
    }
    this.#arm(this.#core.now + options.get('keepAliveIntervalMs'));
  }

  #answered(): void {
    if (this.#target.peerAnswers()) return;
    this.stop();
    this.#target.receiveReset();
  }
}
