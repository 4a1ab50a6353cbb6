/**
 * One direction of a Unix stream socket: bytes go straight into the receiver's inbox, as in the
 * memory of one system. The only buffer is what the receiver has not read.
 */
import type { SimCore } from '../core.ts';
import { sample } from '../trace-hash.ts';
import type { FlowEnd, Outgoing } from './direction.ts';

export class LocalFlow implements Outgoing {
  readonly unacknowledged = false;
  broken = false;
  readonly #core: SimCore;
  readonly #host: string;
  readonly #sender: FlowEnd;
  readonly #receiver: FlowEnd;
  #unread = 0;

  constructor(core: SimCore, host: string, sender: FlowEnd, receiver: FlowEnd) {
    this.#core = core;
    this.#host = host;
    this.#sender = sender;
    this.#receiver = receiver;
  }

  room(): number {
    return this.#sender.sendRoom - this.#unread;
  }

  take(bytes: Buffer): void {
    this.#unread += bytes.length;
    const text = (): string => `${bytes.length} bytes`;
    this.#core.trace('send', this.#host, this.#host, sample(bytes), text);
    this.#receiver.receives(bytes);
  }

  /** The receiver's reading tells. */
  waitForRoom(): void {}

  /** Nothing gets lost. */
  doubt(): void {}

  finish(): void {
    if (this.broken) return;
    this.#core.trace('fin', this.#host, this.#host, 0, () => 'end of file');
    this.#receiver.receivesEnd();
  }

  drop(): void {
    this.broken = true;
  }

  unwanted(): void {
    this.broken = true;
    if (this.#sender.wantsRoom) this.#sender.mayTake();
  }

  /** A sender that waits is woken when a quarter is all that is left (unix_writable in Linux). */
  wasRead(count: number): void {
    this.#unread -= count;
    if (this.#sender.wantsRoom && this.#unread * 4 <= this.#sender.sendRoom) this.#sender.mayTake();
  }
}
