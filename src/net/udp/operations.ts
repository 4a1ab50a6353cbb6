/** `recvFrom`, `send` and `sendTo`. A socket reuses one operation for each direction. */
import type { Wait } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { Receive } from '../tcp/receive.ts';
import { Send } from '../tcp/send.ts';
import type { Datagram, ReceivedDatagram } from './datagram.ts';
import type { IpEndpoint } from './destination.ts';

export class ReceiveDatagram extends Receive<ReceivedDatagram, Datagram> {
  protected get call(): string {
    return 'datagram.recvFrom()';
  }

  protected attempt(): ReceivedDatagram | undefined {
    const { socket } = this;
    return socket.transport.canRecv ? socket.receive() : undefined;
  }
}

/**
 * `sendTo` and `send`: attempts until the network has taken the datagram, then waits until the
 * system's result is available. On most backends it is available at once.
 *
 * A datagram that was taken cannot be recalled: the send completes even if its task is cancelled.
 * The next operation then reports the cancellation, and an error of the system, if there is one.
 */
export class SendDatagram extends Send<void, Datagram> {
  private taken = false;
  /** Released when the operation ends. */
  data: Uint8Array = NOTHING;
  to: IpEndpoint | undefined = undefined;

  protected get call(): string {
    return this.to === undefined ? 'datagram.send(data)' : 'datagram.sendTo(data, address)';
  }

  protected attempt(): boolean {
    const { socket } = this;
    this.taken ||= socket.transmit(this.data, this.to);
    return this.taken && socket.transport.trySent();
  }

  protected result(): void {}

  protected failed(): void {
    this.taken = false;
  }

  override throw(error: unknown): IteratorResult<Wait, void> {
    if (this.taken && isCancelled(error)) return this.finish(undefined);
    return super.throw(error);
  }

  protected settle(): void {
    this.state = 'idle';
    this.taken = false;
    this.data = NOTHING;
    if (this.socket.sending === this) this.socket.sending = null;
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
