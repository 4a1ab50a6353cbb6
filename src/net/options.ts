/**
 * Options of sockets: what `listen`, `connect` and a Socket let be set, checked here and set by the
 * network. A network tells what it can in `capabilities.options`; anything else is ERR_UNSUPPORTED.
 */
import { checkInteger, wrongType } from '../kernel/checks.ts';
import { unsupportedOption } from '../kernel/unsupported.ts';
import type {
  BufferSizes,
  KeepAliveOptions,
  Network,
  SocketOption,
  Transport,
} from '../world/network.ts';
import type { Keys } from './keys.ts';
import { checkKeys } from './keys.ts';

/** MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL of Linux, in seconds; MAX_TCP_KEEPCNT. */
const LONGEST_PROBING_MS = 32_767_000;
const MOST_PROBES = 127;
const MOST_INT = 2 ** 31 - 1;

type SizeOption = keyof BufferSizes;
type ProbeOption = 'count' | 'intervalMs' | 'idleMs';

/** What a network may lack comes first, so that nothing is set where not all can be. */
const PROBES: readonly (readonly [ProbeOption, SocketOption, number])[] = [
  ['count', 'keepAliveCount', MOST_PROBES],
  ['intervalMs', 'keepAliveIntervalMs', LONGEST_PROBING_MS],
  ['idleMs', 'keepAliveIdleMs', LONGEST_PROBING_MS],
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
  if (bytes !== undefined) checkInteger(name, bytes, 1, MOST_INT);
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
  for (const [name, option] of PROBES) {
    if (options[name] !== undefined) requireOption(network, option);
  }
}

function requireOption(network: Network, option: SocketOption): void {
  if (network.capabilities.options.includes(option)) return;
  throw unsupportedOption(network.backend, option);
}

/** Throws for what is no KeepAliveOptions. */
export function checkKeepAlive(options: KeepAliveOptions): void {
  checkKeys('keepAlive', options, KEEP_ALIVE_KEYS);
  if (typeof options.enable !== 'boolean') throw wrongType('enable', 'a boolean', options.enable);
  for (const [name, , most] of PROBES) {
    if (options[name] !== undefined) checkInteger(name, options[name], 1, most);
  }
}

export function setKeepAlive(transport: Transport, options: KeepAliveOptions): void {
  checkKeepAlive(options);
  for (const [name, option] of PROBES) {
    if (options[name] !== undefined) transport.setOption(option, options[name]);
  }
  transport.setOption('keepAlive', options.enable ? 1 : 0);
}

/** What is known. Of what is not, `enable` is false: a closed connection is not probed. */
export function keepAliveOf(transport: Transport): KeepAliveOptions {
  const known: { -readonly [K in keyof KeepAliveOptions]: KeepAliveOptions[K] } = {
    enable: transport.getOption('keepAlive') === 1,
  };
  for (const [name, option] of [...PROBES].reverse()) {
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
  checkInteger('userTimeoutMs', ms, 0, MOST_INT);
  transport.setOption('userTimeoutMs', ms);
}

export function setBufferSize(transport: Transport, option: SizeOption, bytes: number): void {
  checkInteger(option, bytes, 1, MOST_INT);
  transport.setOption(option, bytes);
}
