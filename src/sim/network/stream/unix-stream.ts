/**
 * One direction of a Unix stream socket: bytes go straight into the receiver's inbox, as in the
 * memory of one system. The only buffer is what the receiver has not read.
 */
import type { SimCore } from '../../core.ts';
import { sample } from '../../report/trace-hash.ts';
import type { SendStream, StreamEndpoint } from './connection.ts';

export class UnixStream implements SendStream {
  readonly unacknowledged = false;
  broken = false;
  readonly #core: SimCore;
  readonly #host: string;
  readonly #sender: StreamEndpoint;
  readonly #receiver: StreamEndpoint;
  #unread = 0;

  constructor(core: SimCore, host: string, sender: StreamEndpoint, receiver: StreamEndpoint) {
    this.#core = core;
    this.#host = host;
    this.#sender = sender;
    this.#receiver = receiver;
  }

  room(): number {
    return this.#sender.sendBufferBytes - this.#unread;
  }

  write(bytes: Buffer): void {
    this.#unread += bytes.length;
    const text = (): string => `${bytes.length} bytes`;
    this.#core.trace('send', this.#host, this.#host, sample(bytes), text);
    this.#receiver.receiveBytes(bytes);
  }

  /** The receiver's reading tells. */
  waitForRoom(): void {}

  /** Nothing gets lost. */
  armRetransmissionTimeout(): void {}

  finish(): void {
    if (this.broken) return;
    this.#core.trace('fin', this.#host, this.#host, 0, () => 'end of file');
    this.#receiver.receiveFin();
  }

  abandon(): void {
    this.broken = true;
  }

  receiverShutdown(): void {
    this.broken = true;
    if (this.#sender.waitsForRoom) this.#sender.roomAvailable();
  }

  /** A sender that waits is woken when a quarter is all that is left (unix_writable in Linux). */
  bytesRead(count: number): void {
    this.#unread -= count;
    if (this.#sender.waitsForRoom && this.#unread * 4 <= this.#sender.sendBufferBytes)
      this.#sender.roomAvailable();
  }
}
