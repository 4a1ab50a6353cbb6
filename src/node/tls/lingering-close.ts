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

/** A closed connection with unsent bytes. */
export interface ClosingStream {
  /** The network's resource, which is not reported as left open. */
  readonly raw: object;
  /** The number of bytes that are not sent yet. */
  readonly unsent: number;
  /** Attempts again to send them. */
  flushNow(): void;
  /** Closes the connection. */
  release(): void;
}

/** Owned by the network until the last byte is sent, or the peer has stopped reading. */
export class LingeringClose {
  readonly #stream: ClosingStream;
  /** The lingering closes of the network. */
  readonly #lingering: Set<LingeringClose>;
  readonly #timer: NodeJS.Timeout;
  #periods = 0;
  /** The unsent bytes at the end of the previous period. */
  #unsentBefore = Number.POSITIVE_INFINITY;

  constructor(stream: ClosingStream, lingering: Set<LingeringClose>) {
    this.#stream = stream;
    this.#lingering = lingering;
    lingering.add(this);
    this.#timer = setInterval(() => this.#onPeriod(), LINGER_MS).unref();
  }

  get raw(): object {
    return this.#stream.raw;
  }

  /** The network is closed: makes one last attempt to send. */
  finish(): void {
    this.#stream.flushNow();
    this.end();
  }

  #onPeriod(): void {
    const { unsent } = this.#stream;
    this.#periods += 1;
    const stuck = unsent >= this.#unsentBefore;
    this.#unsentBefore = unsent;
    if (stuck || this.#periods >= LINGER_PERIODS) this.end();
  }

  /** The last byte is sent, or the peer accepts no more. */
  end(): void {
    if (!this.#lingering.delete(this)) return;
    clearInterval(this.#timer);
    this.#stream.release();
  }
}

/** The lingering close of a connection of node:tls. */
export class ClosingCipherStream implements ClosingStream, CipherOwner {
  readonly raw: Transport;
  readonly #cipher: CipherStream;
  readonly #closing: LingeringClose;

  constructor(raw: Transport, cipher: CipherStream, lingering: Set<LingeringClose>) {
    this.raw = raw;
    this.#cipher = cipher;
    this.#closing = new LingeringClose(this, lingering);
  }

  get unsent(): number {
    return this.#cipher.unsent;
  }

  flushNow(): void {
    this.#cipher.flushNow();
  }

  release(): void {
    this.#cipher.owner = null;
    this.raw.close();
    this.#cipher.destroy();
  }

  flushed(): void {
    this.#closing.end();
  }

  /** The peer accepts no more bytes. */
  rawSendFailed(): void {
    this.#closing.end();
  }

  /** Later input is ignored. */
  rawEnded(): void {}
}
