/**
 * The last bytes of a TLS connection that the program has closed: what was sent, and close_notify
 * behind it. Nearly always they are gone in the same round of the event loop; a peer that does not
 * read keeps them here for a while.
 */
import type { Transport } from '../../world/network.ts';
import type { CipherOwner, CipherStream } from './cipher-stream.ts';

/** A closed connection delivers its last bytes for so many linger periods at most. */
const LINGER_PERIODS = 12;

export interface LingeringCloseContext {
  readonly lingering: Set<LingeringClose>;
  readonly lingerMs: number;
}

export class LingeringClose implements CipherOwner {
  /** The connection below; it is not reported as left open. */
  readonly raw: Transport;
  readonly #cipher: CipherStream;
  readonly #context: LingeringCloseContext;
  readonly #timer: NodeJS.Timeout;
  #periods = 0;
  /** What had not gone at the end of the last period. */
  #unsentBefore = Number.POSITIVE_INFINITY;

  constructor(raw: Transport, cipher: CipherStream, home: LingeringCloseContext) {
    this.raw = raw;
    this.#cipher = cipher;
    this.#context = home;
    home.lingering.add(this);
    this.#timer = setInterval(() => this.#onPeriod(), home.lingerMs).unref();
  }

  flushed(): void {
    this.#end();
  }

  /** The peer takes nothing more. */
  rawSendFailed(): void {
    this.#end();
  }

  /** What the peer has to say is of no interest any more. */
  rawEnded(): void {}

  /** The network is closed: one more try, then it is over. */
  finish(): void {
    this.#cipher.flushNow();
    this.#end();
  }

  #onPeriod(): void {
    const { unsent } = this.#cipher;
    this.#periods += 1;
    const stuck = unsent >= this.#unsentBefore;
    this.#unsentBefore = unsent;
    if (stuck || this.#periods >= LINGER_PERIODS) this.#end();
  }

  #end(): void {
    clearInterval(this.#timer);
    this.#context.lingering.delete(this);
    this.#cipher.owner = null;
    this.raw.close();
    this.#cipher.destroy();
  }
}
