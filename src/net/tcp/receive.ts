/** The receiving half of a socket: `recv` and `recvInto` as operations that allocate nothing. */
import type { Case, Selectable } from '../../flow/select/case.ts';
import { AttemptCase } from '../../flow/select/case.ts';
import type { Wait } from '../../kernel/operation.ts';
import { PAUSE } from '../../kernel/operation.ts';
import type { WaitResult } from '../../kernel/waits.ts';
import { mustPause, recvWait } from '../../kernel/waits.ts';
import { memoryChanged } from '../bytes.ts';
import { busySocket } from '../errors.ts';
import { ReusableOperation } from '../reusable-operation.ts';
import type { Socket } from './socket.ts';

/** What all receives share: try, wait for 'recv', try again. */
export abstract class Receive<T> extends ReusableOperation<T> implements Selectable<T> {
  protected readonly socket: Socket;
  /** Made by the first wait, and kept. */
  private wait: WaitResult | null = null;

  constructor(socket: Socket) {
    super();
    this.socket = socket;
  }

  next(): IteratorResult<Wait, T> {
    const { socket } = this;
    if (!this.begun) {
      // The last result must not keep its slab alive while an idle connection waits.
      this.value = undefined;
      if (socket.receiving !== null) return this.throw(busySocket('receive', socket.name));
      this.begun = true;
      socket.receiving = this;
      if (mustPause()) return PAUSE;
    }
    let result: T | undefined;
    try {
      result = this.attempt();
    } catch (error) {
      return this.throw(error);
    }
    if (result !== undefined) return this.finish(result);
    this.wait ??= recvWait(socket.transport);
    return this.wait;
  }

  /** For `select`: the receive is in progress until the choice is left. */
  asCase(): Case<T> {
    const { socket } = this[Symbol.iterator]();
    if (socket.receiving !== null) return this.throw(busySocket('receive', socket.name)) as never;
    this.begun = true;
    socket.receiving = this;
    return new AttemptCase(
      socket,
      'recv',
      () => this.attempt(),
      () => this.settle(),
    );
  }

  /** One try; `undefined`: would block. */
  protected abstract attempt(): T | undefined;

  protected settle(): void {
    this.state = 'idle';
    if (this.socket.receiving === this) this.socket.receiving = null;
  }
}

export class ReceiveBuffer extends Receive<Buffer> {
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

export class ReceiveInto extends Receive<number> {
  protected get call(): string {
    return 'socket.recvInto(buffer)';
  }

  into: Uint8Array;

  constructor(socket: Socket, into: Uint8Array) {
    super(socket);
    this.into = into;
    this.state = 'made';
  }

  override next(): IteratorResult<Wait, number> {
    if (this.into.length === 0) return this.throw(memoryChanged('into', this.into));
    return super.next();
  }

  protected attempt(): number | undefined {
    // In a `select` only. Nothing received would look like the end of file.
    if (this.into.length === 0) throw memoryChanged('into', this.into);
    const { socket } = this;
    socket.checkUnread();
    const count = socket.mayReceive() ? socket.receiveInto(this.into) : -1;
    return count < 0 ? undefined : count;
  }
}
