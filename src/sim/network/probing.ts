/**
 * Keep-alive: finds out that a silent peer is no more (RFC 9293, 3.8.4; tcp(7)).
 *
 * On a real system a timer runs for every connection. Here the world knows when there is something
 * to find out: a way was cut, or a reset got lost. Only then is a timer armed, for the moment at
 * which the real one would probe; so connections that are well keep no world from coming to rest.
 */
import type { Timer } from '../../kernel/timers.ts';
import type { SimCore } from '../core.ts';
import type { Ways } from './direction.ts';
import type { Options } from './options.ts';

/** The connection that is probed. */
export interface Probed {
  readonly options: Options;
  /** When something has come from the peer for the last time. */
  readonly heardAt: number;
  /** True: sent bytes are not acknowledged, so retransmissions probe already. */
  readonly unacknowledged: boolean;
  /** False: the peer's end is no more; it answers with a reset. */
  peerAnswers(): boolean;
  timesOut(): void;
  receivesReset(): void;
}

export class Probing {
  readonly #core: SimCore;
  readonly #ways: Ways;
  readonly #probed: Probed;
  /** Probes without an answer. */
  #lost = 0;
  #timer: Timer | null = null;
  readonly #doubt = (): void => this.doubt();

  constructor(core: SimCore, ways: Ways, probed: Probed) {
    this.#core = core;
    this.#ways = ways;
    this.#probed = probed;
  }

  /** The option was changed. */
  update(): void {
    this.end();
    if (this.#probed.options.get('keepAlive') === 0) return;
    const { path, back } = this.#ways;
    path.watchers.add(this.#doubt);
    back.watchers.add(this.#doubt);
    if (path.cut || back.cut || !this.#probed.peerAnswers()) this.doubt();
  }

  end(): void {
    const { path, back } = this.#ways;
    path.watchers.delete(this.#doubt);
    back.watchers.delete(this.#doubt);
    if (this.#timer !== null) this.#core.forget(this.#timer);
    this.#timer = null;
  }

  /** It may be that the peer is no more, and will not tell. */
  doubt(): void {
    const { options, heardAt } = this.#probed;
    if (this.#timer !== null || options.get('keepAlive') === 0) return;
    this.#lost = 0;
    this.#arm(Math.max(this.#core.now, heardAt + options.get('keepAliveIdleMs')));
  }

  #arm(time: number): void {
    this.#timer = this.#core.at(time, () => {
      this.#timer = null;
      this.#probe();
    });
  }

  #probe(): void {
    const { path, back } = this.#ways;
    const { options } = this.#probed;
    const idle = options.get('keepAliveIdleMs');
    const quietSince = this.#probed.heardAt + idle;
    if (quietSince > this.#core.now) return this.#arm(quietSince);
    const silent = path.cut || back.cut || path.held || back.held;
    if (!silent) return this.#answered();
    if (!this.#probed.unacknowledged && this.#lost++ >= options.get('keepAliveCount')) {
      this.end();
      return this.#probed.timesOut();
    }
    this.#arm(this.#core.now + options.get('keepAliveIntervalMs'));
  }

  #answered(): void {
    if (this.#probed.peerAnswers()) return;
    this.end();
    this.#probed.receivesReset();
  }
}
