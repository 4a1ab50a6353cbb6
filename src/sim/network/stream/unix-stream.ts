/**
 * One direction of a Unix stream socket: bytes go directly into the receive buffer of the peer on
 * the same host. The bytes that the peer has not read fill the send buffer.
 */
import type { SimCore } from '../../core.ts';
import { sample } from '../../report/trace-hash.ts';
import type { SimTransport } from '../transport.ts';
import type { SendStream } from './connection.ts';

export class UnixStream implements SendStream {
  readonly unacknowledged = false;
  broken = false;
  readonly #core: SimCore;
  readonly #host: string;
  readonly #sender: SimTransport;
  readonly #receiver: SimTransport;
  #unread = 0;

  constructor(core: SimCore, host: string, sender: SimTransport, receiver: SimTransport) {
    this.#core = core;
    this.#host = host;
    this.#sender = sender;
    this.#receiver = receiver;
  }

  space(): number {
    return this.#sender.sendBufferBytes - this.#unread;
  }

  write(bytes: Buffer): void {
    this.#unread += bytes.length;
    const text = (): string => `${bytes.length} bytes`;
    this.#core.trace('send', this.#host, this.#host, sample(bytes), text);
    this.#receiver.receiveBytes(bytes);
  }

  /** `bytesRead` notifies the sender. */
  waitForSpace(): void {}

  /** On one host no reset is lost. */
  armRetransmissionTimeout(): void {}

  finish(): void {
    if (this.broken) return;
    this.#core.trace('fin', this.#host, this.#host, 0, () => 'end of file');
    this.#receiver.receiveFin();
  }

  abandon(): void {
    this.broken = true;
  }

  reset(): void {
    this.broken = true;
    this.#receiver.receiveReset();
  }

  receiverShutdown(): void {
    this.broken = true;
    if (this.#sender.waitsForSpace) this.#sender.spaceAvailable();
  }

  /** The threshold of Linux (unix_writable): at most a quarter of the buffer is used. */
  bytesRead(count: number): void {
    this.#unread -= count;
    if (this.#sender.waitsForSpace && this.#unread * 4 <= this.#sender.sendBufferBytes)
      this.#sender.spaceAvailable();
  }
}
