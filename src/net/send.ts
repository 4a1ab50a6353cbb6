/** The sending half of a socket: `send`, `sendAll`, `sendv`. */
import type { Wait } from '../kernel/operation.ts';
import { PAUSE } from '../kernel/operation.ts';
import type { WaitResult } from '../kernel/waits.ts';
import { mustPause, sendWait } from '../kernel/waits.ts';
import { memoryChanged } from './bytes.ts';
import { busySocket } from './errors.ts';
import { KeptOperation } from './kept.ts';
import type { Socket } from './socket.ts';

/** What all sends share: try, wait for 'send', try again until `attempt` says that it is done. */
abstract class Send<T> extends KeptOperation<T> {
  protected readonly socket: Socket;
  /** Made by the first wait, and kept: most sends never wait. */
  private wait: WaitResult | null = null;
  /** Bytes of this operation that the network has taken. */
  protected sent = 0;

  constructor(socket: Socket) {
    super();
    this.socket = socket;
  }

  next(): IteratorResult<Wait, T> {
    const { socket } = this;
    if (!this.begun) {
      if (socket.sending !== null) return this.throw(busySocket('send', socket.name));
      this.begun = true;
      this.sent = 0;
      socket.sending = this;
      if (mustPause()) return PAUSE;
    }
    let complete: boolean;
    try {
      complete = this.attempt();
    } catch (error) {
      // The connection has failed, and says so from now on: nothing is torn.
      this.sent = 0;
      return this.throw(error);
    }
    if (complete) return this.finish(this.result());
    this.wait ??= sendWait(socket.transport);
    return this.wait;
  }

  /** What was handed in is not what it was: bytes of it can be lost, so nothing more is sent. */
  protected changed(data: unknown): TypeError {
    if (this.sent > 0) this.socket.tear(this.sent);
    return memoryChanged('data', data);
  }

  /** One try, or several while they make progress. True: nothing is left to do. */
  protected abstract attempt(): boolean;
  protected abstract result(): T;

  /** A send that was cut off after its first byte leaves the stream torn. */
  protected settle(complete: boolean): void {
    this.state = 'idle';
    const { socket } = this;
    if (socket.sending !== this) return;
    socket.sending = null;
    if (complete) socket.sendCompleted();
    else if (this.sent > 0) socket.tear(this.sent);
  }
}

/** `send`: as much as the network takes at once. */
export class SendSome extends Send<number> {
  protected get call(): string {
    return 'socket.send(data)';
  }

  private readonly data: Uint8Array;
  private readonly length: number;

  constructor(socket: Socket, data: Uint8Array) {
    super(socket);
    this.data = data;
    this.length = data.length;
    this.state = 'made';
  }

  protected attempt(): boolean {
    if (this.data.length !== this.length) throw this.changed(this.data);
    if (this.data.length === 0) return true;
    this.sent = this.socket.transmit(this.data);
    return this.sent > 0;
  }

  protected result(): number {
    return this.sent;
  }
}

/** `sendAll`: all of it, over as many tries as it takes. */
export class SendAll extends Send<void> {
  protected get call(): string {
    return 'socket.sendAll(data)';
  }

  /** What is still to be sent; let go of when the operation is over. */
  data: Uint8Array = NOTHING;
  /** Its length, unless somebody else has changed it. */
  left = 0;

  protected attempt(): boolean {
    if (this.data.length !== this.left) throw this.changed(this.data);
    while (this.data.length > 0) {
      const count = this.socket.transmit(this.data);
      this.sent += count;
      if (count === this.data.length) break;
      if (count === 0) return false;
      this.data = this.data.subarray(count);
      this.left = this.data.length;
    }
    return true;
  }

  protected result(): void {}

  protected override settle(complete: boolean): void {
    this.data = NOTHING;
    super.settle(complete);
  }
}

/** `sendv`: several pieces as one, without joining them. */
export class SendVector extends Send<void> {
  protected get call(): string {
    return 'socket.sendv(chunks)';
  }

  private rest: readonly Uint8Array[];
  /** The bytes of it, unless somebody else has changed them. */
  private left: number;

  constructor(socket: Socket, chunks: readonly Uint8Array[]) {
    super(socket);
    this.rest = chunks.filter((chunk) => chunk.length > 0);
    this.left = totalOf(this.rest);
    this.state = 'made';
  }

  protected attempt(): boolean {
    if (totalOf(this.rest) !== this.left) throw this.changed(this.rest);
    while (this.rest.length > 0) {
      const count = this.socket.transmitv(this.rest);
      if (count === 0) return false;
      this.sent += count;
      this.left -= count;
      this.rest = afterBytes(this.rest, count);
    }
    return true;
  }

  protected result(): void {}
}

function totalOf(chunks: readonly Uint8Array[]): number {
  let total = 0;
  for (const chunk of chunks) total += chunk.length;
  return total;
}

/** What is left of `chunks` behind its first `count` bytes. */
function afterBytes(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let index = 0;
  let left = count;
  while (index < chunks.length && left >= (chunks[index] as Uint8Array).length) {
    left -= (chunks[index] as Uint8Array).length;
    index++;
  }
  if (left === 0) return chunks.slice(index);
  const first = (chunks[index] as Uint8Array).subarray(left);
  return [first, ...chunks.slice(index + 1)];
}

const NOTHING: Uint8Array = new Uint8Array(0);
