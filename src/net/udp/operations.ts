/** Receiving and sending datagrams: operations of which a socket keeps one for each direction. */
import type { Case, Selectable } from '../../flow/select/case.ts';
import { AttemptCase } from '../../flow/select/case.ts';
import type { Wait } from '../../kernel/operation.ts';
import { PAUSE } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import type { WaitResult } from '../../kernel/waits.ts';
import { mustPause, recvWait, sendWait } from '../../kernel/waits.ts';
import { busySocket } from '../errors.ts';
import { ReusableOperation } from '../reusable-operation.ts';
import type { Datagram, ReceivedDatagram } from './datagram.ts';
import type { IpEndpoint } from './destination.ts';

/** `recvFrom`: try, wait for 'recv', try again. */
export class ReceiveDatagram
  extends ReusableOperation<ReceivedDatagram>
  implements Selectable<ReceivedDatagram>
{
  private readonly datagram: Datagram;
  /** Made by the first wait, and kept. */
  private wait: WaitResult | null = null;

  constructor(datagram: Datagram) {
    super();
    this.datagram = datagram;
  }

  protected get call(): string {
    return 'datagram.recvFrom()';
  }

  next(): IteratorResult<Wait, ReceivedDatagram> {
    if (!this.begun) {
      this.value = undefined;
      this.begin();
      if (mustPause()) return PAUSE;
    }
    let result: ReceivedDatagram | undefined;
    try {
      result = this.attempt();
    } catch (error) {
      return this.throw(error);
    }
    if (result !== undefined) return this.finish(result);
    this.wait ??= recvWait(this.datagram.transport);
    return this.wait;
  }

  /** For `select`: the receive is in progress until the choice is left. */
  asCase(): Case<ReceivedDatagram> {
    this[Symbol.iterator]().begin();
    return new AttemptCase(
      this.datagram,
      'recv',
      () => this.attempt(),
      () => this.settle(),
    );
  }

  private begin(): void {
    const { datagram } = this;
    if (datagram.receiving !== null) this.throw(busySocket('receive', datagram.name));
    this.begun = true;
    datagram.receiving = this;
  }

  private attempt(): ReceivedDatagram | undefined {
    const { datagram } = this;
    return datagram.transport.canRecv ? datagram.receive() : undefined;
  }

  protected settle(): void {
    this.state = 'idle';
    if (this.datagram.receiving === this) this.datagram.receiving = null;
  }
}

/**
 * `sendTo` and `send`: try until the network has taken the datagram, then until it knows what the
 * system says to it; many know at once.
 *
 * Once it was taken it has happened: a cancellation that comes then is left to the next operation,
 * and so is what the system should still have to say.
 */
export class SendDatagram extends ReusableOperation<void> {
  private readonly datagram: Datagram;
  private wait: WaitResult | null = null;
  private taken = false;
  /** Let go of when the operation is over. */
  data: Uint8Array = NOTHING;
  to: IpEndpoint | undefined = undefined;

  constructor(datagram: Datagram) {
    super();
    this.datagram = datagram;
  }

  protected get call(): string {
    return this.to === undefined ? 'datagram.send(data)' : 'datagram.sendTo(data, address)';
  }

  next(): IteratorResult<Wait, void> {
    const { datagram } = this;
    if (!this.begun) {
      if (datagram.sending !== null) return this.throw(busySocket('send', datagram.name));
      this.begun = true;
      this.taken = false;
      datagram.sending = this;
      if (mustPause()) return PAUSE;
    }
    try {
      this.taken ||= datagram.transmit(this.data, this.to);
      if (this.taken && datagram.transport.trySent()) return this.finish(undefined);
    } catch (error) {
      this.taken = false;
      return this.throw(error);
    }
    this.wait ??= sendWait(datagram.transport);
    return this.wait;
  }

  override throw(error: unknown): IteratorResult<Wait, void> {
    if (this.taken && isCancelled(error)) return this.finish(undefined);
    return super.throw(error);
  }

  protected settle(): void {
    this.state = 'idle';
    this.taken = false;
    this.data = NOTHING;
    if (this.datagram.sending === this) this.datagram.sending = null;
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
