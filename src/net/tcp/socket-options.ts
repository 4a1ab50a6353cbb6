/**
 * Options of sockets: the checks for `listen`, `connect` and `bindDatagram`, and the accessors of a
 * Socket. `capabilities.options` lists the options that a network can set. Any other one is
 * ERR_UNSUPPORTED.
 */

import { unsupported } from '../../kernel/errors.ts';
import type { Keys } from '../../support/checks.ts';
import { checkBoolean, checkInteger, checkKeys } from '../../support/checks.ts';
import type {
  BufferSizes,
  KeepAliveOptions,
  Network,
  SocketOption,
  Transport,
} from '../../world/network.ts';

/** MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL of Linux, in milliseconds. */
const MAX_PROBE_INTERVAL_MS = 32_767_000;
/** MAX_TCP_KEEPCNT of Linux. */
const MAX_PROBES = 127;
const MAX_INT = 2 ** 31 - 1;

type KeepAliveNumber = 'count' | 'intervalMs' | 'idleMs';

/** Options that a network may lack come first, so that ERR_UNSUPPORTED leaves all of them unset. */
const KEEP_ALIVE_OPTIONS: readonly (readonly [KeepAliveNumber, SocketOption, number])[] = [
  ['count', 'keepAliveCount', MAX_PROBES],
  ['intervalMs', 'keepAliveIntervalMs', MAX_PROBE_INTERVAL_MS],
  ['idleMs', 'keepAliveIdleMs', MAX_PROBE_INTERVAL_MS],
];

const KEEP_ALIVE_KEYS: Keys<KeepAliveOptions> = {
  enable: true,
  idleMs: true,
  intervalMs: true,
  count: true,
};

export const SIZE_KEYS: Keys<BufferSizes> = { recvBufferSize: true, sendBufferSize: true };
const SIZE_OPTIONS = ['recvBufferSize', 'sendBufferSize'] as const;

/** Throws unless each size is absent or a number of bytes. */
export function checkSizes(sizes: BufferSizes): void {
  for (const option of SIZE_OPTIONS) {
    if (sizes[option] !== undefined) checkInteger(option, sizes[option], 1, MAX_INT);
  }
}

/** Throws ERR_UNSUPPORTED unless `network` can set these sizes. */
export function requireSizes(network: Network, sizes: BufferSizes): void {
  for (const option of SIZE_OPTIONS) {
    if (sizes[option] !== undefined) requireOption(network, option);
  }
}

/** Throws ERR_UNSUPPORTED unless `network` can set all of these options. */
export function requireKeepAlive(network: Network, options: KeepAliveOptions): void {
  requireOption(network, 'keepAlive');
  for (const [name, option] of KEEP_ALIVE_OPTIONS) {
    if (options[name] !== undefined) requireOption(network, option);
  }
}

function requireOption(network: Network, option: SocketOption): void {
  if (network.capabilities.options.includes(option)) return;
  throw unsupported(
    `The ${network.backend} network`,
    `set \`${option}\``,
    'Leave it out, or use the epoll backend: `coronet doctor` reports whether it is available.',
  );
}

/** Throws unless `options` are valid KeepAliveOptions. */
export function checkKeepAlive(options: KeepAliveOptions): void {
  checkKeys('keepAlive', options, KEEP_ALIVE_KEYS);
  checkBoolean('enable', options.enable);
  for (const [name, , max] of KEEP_ALIVE_OPTIONS) {
    if (options[name] !== undefined) checkInteger(name, options[name], 1, max);
  }
}

/**
 * The options of a connection, as members of its socket. A setter throws ERR_CLOSED after close,
 * and ERR_UNSUPPORTED for an option that the network cannot set. A getter never throws: it returns
 * `undefined` for a value that is not known, and after close.
 */
export abstract class ConfigurableSocket {
  /** @internal */
  abstract readonly transport: Transport;

  /** TCP_NODELAY: small sends leave at once. True initially, on a Unix socket, and after close. */
  get noDelay(): boolean {
    return this.transport.getOption('noDelay') !== 0;
  }

  set noDelay(on: boolean) {
    checkBoolean('noDelay', on);
    this.transport.setOption('noDelay', on ? 1 : 0);
  }

  /** The TCP keep-alive options, as far as they are known. `enable` is false after close. */
  get keepAlive(): KeepAliveOptions {
    const known: { -readonly [K in keyof KeepAliveOptions]: KeepAliveOptions[K] } = {
      enable: this.transport.getOption('keepAlive') === 1,
    };
    for (const [name, option] of [...KEEP_ALIVE_OPTIONS].reverse()) {
      const value = this.transport.getOption(option);
      if (value !== undefined) known[name] = value;
    }
    return known;
  }

  /**
   * Sets TCP keep-alive: the system probes a silent peer after `idleMs` without traffic, then every
   * `intervalMs`. After `count` unanswered probes the connection fails with ETIMEDOUT. Does nothing
   * on a Unix socket.
   * Errors: TypeError, RangeError; ERR_CLOSED; ERR_UNSUPPORTED, and then no option is set.
   */
  setKeepAlive(options: KeepAliveOptions): void {
    checkKeepAlive(options);
    for (const [name, option] of KEEP_ALIVE_OPTIONS) {
      if (options[name] !== undefined) this.transport.setOption(option, options[name]);
    }
    this.transport.setOption('keepAlive', options.enable ? 1 : 0);
  }

  /** TCP_USER_TIMEOUT: the time in milliseconds for which sent data may stay unacknowledged before
   *  the connection fails with ETIMEDOUT. 0: the system's default (minutes). */
  get userTimeoutMs(): number | undefined {
    return this.transport.getOption('userTimeoutMs');
  }

  set userTimeoutMs(ms: number) {
    checkInteger('userTimeoutMs', ms, 0, MAX_INT);
    this.transport.setOption('userTimeoutMs', ms);
  }

  /** SO_RCVBUF in bytes, as the system reports it. Linux doubles the value that was set. */
  get recvBufferSize(): number | undefined {
    return this.transport.getOption('recvBufferSize');
  }

  set recvBufferSize(bytes: number) {
    this.setBufferSize('recvBufferSize', bytes);
  }

  /** SO_SNDBUF in bytes, as the system reports it. Linux doubles the value that was set. */
  get sendBufferSize(): number | undefined {
    return this.transport.getOption('sendBufferSize');
  }

  set sendBufferSize(bytes: number) {
    this.setBufferSize('sendBufferSize', bytes);
  }

  private setBufferSize(option: keyof BufferSizes, bytes: number): void {
    checkInteger(option, bytes, 1, MAX_INT);
    this.transport.setOption(option, bytes);
  }
}
