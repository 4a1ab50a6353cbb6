/** The receiving half of a socket: `recv` and `recvInto` as operations that allocate nothing. */
import type { Case, CaseWaiter, Selectable } from '../../kernel/case.ts';
import { AttemptCase } from '../../kernel/case.ts';
import type { Wait } from '../../kernel/operation.ts';
import { PAUSE } from '../../kernel/operation.ts';
import type { Pollable } from '../../kernel/readiness.ts';
import { mustPause, recvWait, sendWait } from '../../kernel/waits.ts';
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
  /** The last wait, which is kept until `startTls` replaces the transport. */
  private wait: Wait = undefined;
  /** True: it waits until bytes of the socket's writer can be sent. */
  private sends = false;

  constructor(socket: S) {
    super();
    this.socket = socket;
  }

  next(): IteratorResult<Wait, T> {
    if (this.state === 'driven') {
      // The previous result must not keep its slab alive while an idle connection waits.
      this.value = undefined;
      this.begin();
      if (mustPause()) return PAUSE;
    }
    // Ended before the attempt, because a catch would throw its error a second time: each throw
    // takes some microseconds, and most connections end with one.
    this.state = 'idle';
    this.socket.receiving = null;
    const result = this.flushAndAttempt();
    if (result !== undefined) return this.finish(result);
    this.state = 'begun';
    this.socket.receiving = this;
    const { transport } = this.socket;
    if (this.sends) return sendWait(transport);
    if (this.wait?.[1] !== transport) this.wait = recvWait(transport).value;
    return this.waitFor(this.wait);
  }

  /** For `select`: the receive is in progress until the case is left. */
  asCase(): Case<T> {
    this[Symbol.iterator]().begin();
    return new ReceiveCase(
      this.socket,
      () => this.flushAndAttempt(),
      () => (this.sends ? 'send' : 'recv'),
      () => this.settle(),
    );
  }

  /** One attempt to receive; before it and before a wait, sends what is due (`autoFlush`). */
  private flushAndAttempt(): T | undefined {
    // A receive that has waited to send goes on with that.
    if (!this.sendDue(this.sends)) return undefined;
    const result = this.attempt();
    if (result === undefined) this.sendDue(true);
    return result;
  }

  /** True: the bytes of the writer that are due were sent, or there are none. False: the receive
   *  waits to send first. */
  private sendDue(waits: boolean): boolean {
    const { socket } = this;
    if (this.sends) {
      this.sends = false;
      socket.sending = null;
    }
    if (socket.sendWritten === undefined || socket.sendWritten(waits)) return true;
    this.sends = true;
    socket.sending = this;
    return false;
  }

  private begin(): void {
    const { socket } = this;
    if (socket.receiving !== null) this.throw(busySocket('receive', socket.name));
    this.state = 'begun';
    socket.receiving = this;
  }

  /** One attempt; `undefined`: would block. */
  protected abstract attempt(): T | undefined;

  protected settle(): void {
    this.state = 'idle';
    if (this.sends) {
      this.sends = false;
      this.socket.sending = null;
    }
    if (this.socket.receiving === this) this.socket.receiving = null;
  }
}

/** The case of a receive, which may have to send first. */
class ReceiveCase<T> extends AttemptCase<T> {
  readonly #next: () => 'recv' | 'send';

  /** `next` returns the direction to wait for after an attempt. */
  constructor(
    resource: Pollable,
    attempt: () => T | undefined,
    next: () => 'recv' | 'send',
    onLeave: () => void,
  ) {
    super(resource, 'recv', attempt, onLeave);
    this.#next = next;
  }

  override enlist(waiter: CaseWaiter): void {
    this.direction = this.#next();
    super.enlist(waiter);
  }
}

/** `recv` and `borrow`. */
export class ReceiveBuffer extends Receive<Buffer, Socket> {
  protected get call(): string {
    return this.borrows ? 'socket.borrow()' : 'socket.recv()';
  }

  max = 0;
  /** True: the result is on loan. */
  borrows = false;

  protected attempt(): Buffer | undefined {
    const { socket } = this;
    socket.checkUnread();
    return socket.mayReceive() ? socket.receive(this.max, this.borrows) : undefined;
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
    if (this.into.byteLength === 0) return this.throw(memoryChanged('into', this.into));
    return super.next();
  }

  protected attempt(): number | undefined {
    // For `select`, which does not call `next`. A receive of 0 bytes would look like end of file.
    if (this.into.byteLength === 0) throw memoryChanged('into', this.into);
    const { socket } = this;
    socket.checkUnread();
    const count = socket.mayReceive() ? socket.receiveInto(this.into) : -1;
    return count < 0 ? undefined : count;
  }
}
