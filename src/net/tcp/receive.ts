/** The receiving half of a socket: `recv` and `recvInto` as operations that allocate nothing. */
import type { Case, Selectable } from '../../kernel/case.ts';
import { AttemptCase } from '../../kernel/case.ts';
import type { Wait } from '../../kernel/operation.ts';
import { PAUSE } from '../../kernel/operation.ts';
import type { WaitResult } from '../../kernel/waits.ts';
import { mustPause, recvWait } from '../../kernel/waits.ts';
import { memoryChanged } from '../bytes.ts';
import { busySocket } from '../errors.ts';
import { ReusableOperation } from '../reusable-operation.ts';
import type { Datagram } from '../udp/datagram.ts';
import type { Socket } from './socket.ts';

/** The loop of every receive: attempt, wait for 'recv', attempt again. */
export abstract class Receive<T, S extends Socket | Datagram>
  extends ReusableOperation<T>
  implements Selectable<T>
{
  protected readonly socket: S;
  /** Created by the first wait, then reused. */
  private wait: WaitResult | null = null;

  constructor(socket: S) {
    super();
    this.socket = socket;
  }

  next(): IteratorResult<Wait, T> {
    if (!this.begun) {
      // The previous result must not keep its slab alive while an idle connection waits.
      this.value = undefined;
      this.begin();
      if (mustPause()) return PAUSE;
    }
    let result: T | undefined;
    try {
      result = this.attempt();
    } catch (error) {
      return this.throw(error);
    }
    if (result !== undefined) return this.finish(result);
    this.wait ??= recvWait(this.socket.transport);
    return this.wait;
  }

  /** For `select`: the receive is in progress until the case is left. */
  asCase(): Case<T> {
    this[Symbol.iterator]().begin();
    return new AttemptCase(
      this.socket,
      'recv',
      () => this.attempt(),
      () => this.settle(),
    );
  }

  private begin(): void {
    const { socket } = this;
    if (socket.receiving !== null) this.throw(busySocket('receive', socket.name));
    this.begun = true;
    socket.receiving = this;
  }

  /** One attempt; `undefined`: would block. */
  protected abstract attempt(): T | undefined;

  protected settle(): void {
    this.state = 'idle';
    if (this.socket.receiving === this) this.socket.receiving = null;
  }
}

export class ReceiveBuffer extends Receive<Buffer, Socket> {
  protected get call(): string {
    return 'socket.recv()';
  }

  max = 0;

  protected attempt(): Buffer | undefined {
    const { socket } = this;
    socket.checkUnread();
    return socket.mayReceive() ? socket.receive(this.max) : undefined;
  }
}

export class ReceiveInto extends Receive<number, Socket> {
  protected get call(): string {
    return 'socket.recvInto(buffer)';
  }

  into: Uint8Array;

  constructor(socket: Socket, into: Uint8Array) {
    super(socket);
    this.into = into;
  }

  override next(): IteratorResult<Wait, number> {
    if (this.into.length === 0) return this.throw(memoryChanged('into', this.into));
    return super.next();
  }

  protected attempt(): number | undefined {
    // For `select`, which does not call `next`. A receive of 0 bytes would look like end of file.
    if (this.into.length === 0) throw memoryChanged('into', this.into);
    const { socket } = this;
    socket.checkUnread();
    const count = socket.mayReceive() ? socket.receiveInto(this.into) : -1;
    return count < 0 ? undefined : count;
  }
}
