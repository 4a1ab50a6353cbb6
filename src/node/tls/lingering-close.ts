/**
 * Sends the last bytes of a TLS connection that the program has closed: sent data and close_notify.
 * Usually they are sent in the same round of the event loop, and this class is not needed. It is
 * needed when the peer does not read.
 */
import type { Transport } from '../../world/network.ts';
import { clearInterval, setInterval } from '../timers.ts';
import type { CipherOwner, CipherStream } from './cipher-stream.ts';

/** A connection whose peer takes no byte for this time is closed, as on the portable network. */
const LINGER_MS = 5000;

/** A closed connection may deliver its last bytes for at most this many linger periods. */
const LINGER_PERIODS = 12;

export class LingeringClose implements CipherOwner {
  /** The raw transport, which is not reported as left open. */
  readonly raw: Transport;
  readonly #cipher: CipherStream;
  /** The lingering closes of the network. */
  readonly #lingering: Set<LingeringClose>;
  readonly #timer: NodeJS.Timeout;
  #periods = 0;
  /** The unsent bytes at the end of the previous period. */
  #unsentBefore = Number.POSITIVE_INFINITY;

  constructor(raw: Transport, cipher: CipherStream, lingering: Set<LingeringClose>) {
    this.raw = raw;
    this.#cipher = cipher;
    this.#lingering = lingering;
    lingering.add(this);
    this.#timer = setInterval(() => this.#onPeriod(), LINGER_MS).unref();
  }

  flushed(): void {
    this.#end();
  }

  /** The peer accepts no more bytes. */
  rawSendFailed(): void {
    this.#end();
  }

  /** Later input is ignored. */
  rawEnded(): void {}

  /** The network is closed: makes one last attempt to send. */
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
    this.#lingering.delete(this);
    this.#cipher.owner = null;
    this.raw.close();
    this.#cipher.destroy();
  }
}
