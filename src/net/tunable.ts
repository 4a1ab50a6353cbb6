/** The options of a connection, as its socket shows them. */
import type { KeepAliveOptions, Transport } from '../world/network.ts';
import {
  keepAliveOf,
  noDelayOf,
  setBufferSize,
  setKeepAlive,
  setNoDelay,
  setUserTimeout,
} from './options.ts';

/**
 * Setters throw ERR_CLOSED after close, and ERR_UNSUPPORTED where the network cannot set it.
 * Getters never throw: what is not known is `undefined`, and after close nothing is.
 */
export abstract class Tunable {
  /** @internal */
  abstract readonly transport: Transport;

  /** TCP_NODELAY: small sends leave at once. True from the start, and always on a Unix socket. */
  get noDelay(): boolean {
    return noDelayOf(this.transport);
  }

  set noDelay(on: boolean) {
    setNoDelay(this.transport, on);
  }

  /** Whether and how the system probes a silent peer, as far as it is known. */
  get keepAlive(): KeepAliveOptions {
    return keepAliveOf(this.transport);
  }

  /**
   * Lets the system probe a silent peer: after `idleMs` without traffic, every `intervalMs`, until
   * `count` probes are unanswered (ETIMEDOUT). Does nothing on a Unix socket.
   * Errors: TypeError, RangeError; ERR_CLOSED; ERR_UNSUPPORTED, and then nothing was set.
   */
  setKeepAlive(options: KeepAliveOptions): void {
    setKeepAlive(this.transport, options);
  }

  /** TCP_USER_TIMEOUT: milliseconds for which sent data may stay unacknowledged before the
   *  connection fails with ETIMEDOUT; 0: the system decides (minutes). */
  get userTimeoutMs(): number | undefined {
    return this.transport.getOption('userTimeoutMs');
  }

  set userTimeoutMs(ms: number) {
    setUserTimeout(this.transport, ms);
  }

  /** SO_RCVBUF in bytes: what the system uses, which on Linux is twice what it was told. */
  get recvBufferSize(): number | undefined {
    return this.transport.getOption('recvBufferSize');
  }

  set recvBufferSize(bytes: number) {
    setBufferSize(this.transport, 'recvBufferSize', bytes);
  }

  /** SO_SNDBUF in bytes, likewise. */
  get sendBufferSize(): number | undefined {
    return this.transport.getOption('sendBufferSize');
  }

  set sendBufferSize(bytes: number) {
    setBufferSize(this.transport, 'sendBufferSize', bytes);
  }
}
