/**
 * Options of sockets: what `listen`, `connect` and a Socket let be set, checked here and set by the
 * network. A network tells what it can in `capabilities.options`; anything else is ERR_UNSUPPORTED.
 */

import { unsupported } from '../../kernel/errors.ts';
import type { Keys } from '../../support/checks.ts';
import { checkInteger, checkKeys, wrongType } from '../../support/checks.ts';
import type {
  BufferSizes,
  KeepAliveOptions,
  Network,
  SocketOption,
  Transport,
} from '../../world/network.ts';

/** MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL of Linux, in seconds; MAX_TCP_KEEPCNT. */
const MAX_PROBE_INTERVAL_MS = 32_767_000;
const MAX_PROBES = 127;
const MAX_INT = 2 ** 31 - 1;

type SizeOption = keyof BufferSizes;
type KeepAliveNumber = 'count' | 'intervalMs' | 'idleMs';

/** What a network may lack comes first, so that nothing is set where not all can be. */
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

/** Throws unless the sizes are absent or numbers of bytes. */
export function checkSizes({ recvBufferSize, sendBufferSize }: BufferSizes): void {
  checkSize('recvBufferSize', recvBufferSize);
  checkSize('sendBufferSize', sendBufferSize);
}

function checkSize(name: SizeOption, bytes: number | undefined): void {
  if (bytes !== undefined) checkInteger(name, bytes, 1, MAX_INT);
}

/** Throws ERR_UNSUPPORTED unless `network` can set these sizes. */
export function requireSizes(network: Network, sizes: BufferSizes): void {
  for (const option of ['recvBufferSize', 'sendBufferSize'] as const) {
    if (sizes[option] !== undefined) requireOption(network, option);
  }
}

/** Throws ERR_UNSUPPORTED unless `network` can set all that `options` asks for. */
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

/** Throws for what is no KeepAliveOptions. */
export function checkKeepAlive(options: KeepAliveOptions): void {
  checkKeys('keepAlive', options, KEEP_ALIVE_KEYS);
  if (typeof options.enable !== 'boolean') throw wrongType('enable', 'a boolean', options.enable);
  for (const [name, , most] of KEEP_ALIVE_OPTIONS) {
    if (options[name] !== undefined) checkInteger(name, options[name], 1, most);
  }
}

export function setKeepAlive(transport: Transport, options: KeepAliveOptions): void {
  checkKeepAlive(options);
  for (const [name, option] of KEEP_ALIVE_OPTIONS) {
    if (options[name] !== undefined) transport.setOption(option, options[name]);
  }
  transport.setOption('keepAlive', options.enable ? 1 : 0);
}

/** What is known. Of what is not, `enable` is false: a closed connection is not probed. */
export function keepAliveOf(transport: Transport): KeepAliveOptions {
  const known: { -readonly [K in keyof KeepAliveOptions]: KeepAliveOptions[K] } = {
    enable: transport.getOption('keepAlive') === 1,
  };
  for (const [name, option] of [...KEEP_ALIVE_OPTIONS].reverse()) {
    const value = transport.getOption(option);
    if (value !== undefined) known[name] = value;
  }
  return known;
}

/** True as well where there is nothing that could delay: on a Unix socket, after close. */
export function noDelayOf(transport: Transport): boolean {
  return transport.getOption('noDelay') !== 0;
}

export function setNoDelay(transport: Transport, on: boolean): void {
  if (typeof on !== 'boolean') throw wrongType('noDelay', 'a boolean', on);
  transport.setOption('noDelay', on ? 1 : 0);
}

export function setUserTimeout(transport: Transport, ms: number): void {
  checkInteger('userTimeoutMs', ms, 0, MAX_INT);
  transport.setOption('userTimeoutMs', ms);
}

export function setBufferSize(transport: Transport, option: SizeOption, bytes: number): void {
  checkInteger(option, bytes, 1, MAX_INT);
  transport.setOption(option, bytes);
}

/** The options of a connection, as its socket shows them. */

/**
 * Setters throw ERR_CLOSED after close, and ERR_UNSUPPORTED where the network cannot set it.
 * Getters never throw: what is not known is `undefined`, and after close nothing is.
 */
export abstract class ConfigurableSocket {
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
