/** The stream that `handOver` passes to a library. */
import type { Socket } from '../../net/tcp/socket.ts';
import { clearTimeout, setTimeout } from '../../node/timers.ts';
import type { DuplexSocket } from '../streams/duplex.ts';
import { SocketDuplex } from '../streams/duplex.ts';

/** A connection as libraries get it of net.Server or tls.Server: a Duplex with those members of
 *  their sockets that libraries use. */
export interface HandedOverStream extends DuplexSocket {
  /** True if the connection is encrypted, as in tls.TLSSocket. */
  readonly encrypted: boolean;
  /** The negotiated application protocol; false: none; `undefined`: not encrypted. */
  readonly alpnProtocol: string | false | undefined;
  /** As in net.Socket. */
  setNoDelay(on?: boolean): this;
  /** As in net.Socket: emits 'timeout' after `ms` milliseconds without a byte, or up to twice as
   *  late; 0: never. */
  setTimeout(ms: number, callback?: () => void): this;
  /** As in net.Socket: ends the stream, and destroys it when all bytes are sent. */
  destroySoon(): void;
}

/** The longest delay of a timer of Node. A longer one is the same as none. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The end of the stream ends the handler, and the server then closes the connection as after every
 *  handler: so that a last response is not lost, the stream does not close it. */
export class HandedOverStreamImpl extends SocketDuplex implements HandedOverStream {
  readonly #socket: Socket;
  #timeoutMs = 0;
  #timer: NodeJS.Timeout | undefined = undefined;
  /** The bytes moved when the timer was started: a byte itself costs nothing. */
  #bytesMoved = 0;

  /** `allowHalfOpen`: as in net.Server; false: the stream ends when the peer has ended. */
  constructor(socket: Socket, allowHalfOpen: boolean) {
    super(socket, { allowHalfOpen });
    this.#socket = socket;
  }

  get encrypted(): boolean {
    return this.#socket.tls !== undefined;
  }

  get alpnProtocol(): string | false | undefined {
    const { tls } = this.#socket;
    return tls === undefined ? undefined : (tls.alpn ?? false);
  }

  setNoDelay(on = true): this {
    if (!this.destroyed) this.#socket.noDelay = on;
    return this;
  }

  setTimeout(ms: number, callback?: () => void): this {
    this.#timeoutMs = ms;
    this.#startTimer();
    if (callback === undefined) return this;
    return ms > 0 ? this.once('timeout', callback) : this.off('timeout', callback);
  }

  destroySoon(): void {
    if (this.writableFinished) return void this.destroy();
    this.once('finish', () => this.destroy());
    this.end();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    super._destroy(error, callback);
  }

  protected override closeSocket(): void {}

  #startTimer(): void {
    clearTimeout(this.#timer);
    const ms = this.#timeoutMs;
    if (this.destroyed || !(ms > 0 && ms <= MAX_TIMER_MS)) return;
    const { bytesReceived, bytesSent } = this.#socket;
    this.#bytesMoved = bytesReceived + bytesSent;
    this.#timer = setTimeout(() => this.#checkActivity(), ms).unref();
  }

  #checkActivity(): void {
    const { bytesReceived, bytesSent } = this.#socket;
    if (bytesReceived + bytesSent === this.#bytesMoved) this.emit('timeout');
    else this.#startTimer();
  }
}
