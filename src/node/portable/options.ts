/**
 * Options of a connection on the portable network: what node:net lets be set. It cannot tell what
 * is set, so what was set is noted, and is what a getter tells.
 */
import { Socket } from 'node:net';
import type { UsageError } from '../../kernel/errors.ts';
import { unsupported } from '../../kernel/errors.ts';
import type { SocketOption } from '../../world/network.ts';

/** What was set of a connection; most have none. */
export type OptionsSet = ReadonlyMap<SocketOption, number>;

/**
 * `setKeepAlive` takes the interval and the count of probes in Node since 26.4 and late 24s
 * (nodejs/node pull request 63825), so it is asked. Elsewhere libuv sets 1 s and 10 probes with
 * every idle time.
 */
const TAKES_PROBES: boolean = takesProbes();

export const PORTABLE_OPTIONS: readonly SocketOption[] = TAKES_PROBES
  ? ['noDelay', 'keepAlive', 'keepAliveIdleMs', 'keepAliveIntervalMs', 'keepAliveCount']
  : ['noDelay', 'keepAlive', 'keepAliveIdleMs'];

/**
 * With one of the three, libuv wants all: the others are what they are by default (tcp(7); two
 * hours are the least default that RFC 1122 allows in section 4.2.3.6).
 */
const PROBE_DEFAULTS: readonly (readonly [SocketOption, number])[] = [
  ['keepAliveIdleMs', 7_200_000],
  ['keepAliveIntervalMs', 75_000],
  ['keepAliveCount', 9],
];

/** What an option is: as it was set, as every connection here begins, or not known. */
export function readOption(options: OptionsSet | null, option: SocketOption): number | undefined {
  const value = options?.get(option);
  if (value !== undefined) return value;
  if (option === 'noDelay') return 1;
  return option === 'keepAlive' ? 0 : undefined;
}

/**
 * What is to be set from now on. Times are rounded up to whole seconds, of which node drops
 * fractions. Errors: ERR_UNSUPPORTED.
 */
export function withOption(
  before: OptionsSet | null,
  option: SocketOption,
  value: number,
): OptionsSet {
  if (!PORTABLE_OPTIONS.includes(option)) throw unsupportedOption(option);
  const options = new Map(before);
  const isTime = option === 'keepAliveIdleMs' || option === 'keepAliveIntervalMs';
  options.set(option, isTime ? Math.ceil(value / 1000) * 1000 : value);
  if (!TAKES_PROBES || option === 'noDelay' || option === 'keepAlive') return options;
  for (const [other, byDefault] of PROBE_DEFAULTS) {
    if (!options.has(other)) options.set(other, byDefault);
  }
  return options;
}

/**
 * Sets what was noted on a connected socket: node:net drops what it is told before. An idle time of
 * 0 leaves what the system has.
 */
export function applyOptions(options: OptionsSet, socket: Socket): void {
  const noDelay = options.get('noDelay');
  if (noDelay !== undefined) socket.setNoDelay(noDelay === 1);
  if (options.size === (noDelay === undefined ? 0 : 1)) return;
  const probes = ['keepAliveIntervalMs', 'keepAliveCount'] as const;
  const args: [boolean, number, ...(number | undefined)[]] = [
    options.get('keepAlive') === 1,
    options.get('keepAliveIdleMs') ?? 0,
    ...(TAKES_PROBES ? probes.map((option) => options.get(option)) : []),
  ];
  (socket.setKeepAlive as (...args: unknown[]) => void)(...args);
}

function takesProbes(): boolean {
  const { bun, deno } = process.versions as Record<string, string | undefined>;
  return bun === undefined && deno === undefined && Socket.prototype.setKeepAlive.length >= 4;
}

/** The portable network cannot set `option`; see `capabilities.options`. */
export function unsupportedOption(option: string): UsageError {
  const instead =
    'Leave it out, or use the epoll backend: `coronet doctor` reports whether it is available.';
  return unsupported('The portable network', `set \`${option}\``, instead);
}
