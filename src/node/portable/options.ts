/**
 * Options of a connection on the portable network. node:net can set them but not read them back, so
 * the values that were set are recorded, and getters return these.
 */
import type { Socket } from 'node:net';
import type { UsageError } from '../../kernel/errors.ts';
import { unsupported } from '../../kernel/errors.ts';
import type { SocketOption } from '../../world/network.ts';

/** The options that were set on a connection. */
export type OptionsSet = ReadonlyMap<SocketOption, number>;

/**
 * True if `setKeepAlive` accepts the interval and the count of probes: Node 26.4 and late versions
 * of Node 24 (nodejs/node pull request 63825). Otherwise libuv sets 1 s and 10 probes together with
 * the idle time.
 */
const TAKES_PROBES: boolean = takesProbes();

export const PORTABLE_OPTIONS: readonly SocketOption[] = TAKES_PROBES
  ? ['noDelay', 'keepAlive', 'keepAliveIdleMs', 'keepAliveIntervalMs', 'keepAliveCount']
  : ['noDelay', 'keepAlive', 'keepAliveIdleMs'];

/**
 * libuv sets all three options or none. The ones that were not set get the defaults of Linux
 * (tcp(7); RFC 1122, section 4.2.3.6, requires an idle time of two hours or more by default).
 */
const PROBE_DEFAULTS: readonly (readonly [SocketOption, number])[] = [
  ['keepAliveIdleMs', 7_200_000],
  ['keepAliveIntervalMs', 75_000],
  ['keepAliveCount', 9],
];

/** The value that was set, or the initial value; `undefined`: not known. */
export function readOption(options: OptionsSet | null, option: SocketOption): number | undefined {
  const value = options?.get(option);
  if (value !== undefined) return value;
  if (option === 'noDelay') return 1;
  return option === 'keepAlive' ? 0 : undefined;
}

/**
 * `before` with `option` set to `value`. Times are rounded up to whole seconds, because Node drops
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
 * Sets the recorded options on a connected socket: node:net ignores them before. An idle time of 0
 * keeps the setting of the system.
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
  const { prototype } = process.getBuiltinModule('node:net').Socket;
  return bun === undefined && deno === undefined && prototype.setKeepAlive.length >= 4;
}

/** The error for an option that is not in `capabilities.options`. */
export function unsupportedOption(option: string): UsageError {
  const instead =
    'Leave it out, or use the epoll backend: `coronet doctor` reports whether it is available.';
  return unsupported('The portable network', `set \`${option}\``, instead);
}
