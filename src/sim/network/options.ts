/**
 * Socket options as Linux stores them (tcp(7), socket(7)): buffer sizes are doubled and limited,
 * keep-alive times are whole seconds.
 *
 * `noDelay` is stored without effect: the simulated network does not combine small segments.
 */
import type { BufferSizes, SocketOption } from '../../world/network.ts';

/** The defaults of Linux. Half of a buffer is for bytes (tcp_adv_win_scale in tcp(7)). */
const DEFAULTS: Readonly<Record<SocketOption, number>> = {
  noDelay: 1,
  keepAlive: 0,
  keepAliveIdleMs: 7_200_000,
  keepAliveIntervalMs: 75_000,
  keepAliveCount: 9,
  userTimeoutMs: 0,
  recvBufferSize: 262_144,
  sendBufferSize: 262_144,
};

export const SIM_OPTIONS: readonly SocketOption[] = Object.keys(DEFAULTS) as SocketOption[];

/** The minimum sizes of Linux, and the maximum: twice net.core.rmem_max and wmem_max. */
const MIN_SIZES = { recvBufferSize: 2304, sendBufferSize: 4608 };
const MAX_SIZE = 425_984;

export class SocketOptions {
  /** Null until an option is set: most connections never set any. */
  #values: Record<SocketOption, number> | null = null;

  get(option: SocketOption): number {
    return (this.#values ?? DEFAULTS)[option];
  }

  set(option: SocketOption, value: number): void {
    this.#values ??= { ...DEFAULTS };
    this.#values[option] = effectiveValue(option, value);
  }

  setSizes({ recvBufferSize, sendBufferSize }: BufferSizes): void {
    if (recvBufferSize !== undefined) this.set('recvBufferSize', recvBufferSize);
    if (sendBufferSize !== undefined) this.set('sendBufferSize', sendBufferSize);
  }
}

/** The effective size of a buffer: from the option, or `defaultSize` without one. */
export function effectiveSize(
  option: 'recvBufferSize' | 'sendBufferSize',
  requested: number | undefined,
  defaultSize: number,
): number {
  return requested === undefined ? defaultSize : effectiveValue(option, requested);
}

/** False for an option that Unix sockets have as well. */
export function isOfTcp(option: SocketOption): boolean {
  return option !== 'recvBufferSize' && option !== 'sendBufferSize';
}

function effectiveValue(option: SocketOption, value: number): number {
  switch (option) {
    case 'keepAliveIdleMs':
    case 'keepAliveIntervalMs':
      return -Math.floor(-value / 1000) * 1000;
    case 'recvBufferSize':
    case 'sendBufferSize':
      return Math.min(Math.max(2 * value, MIN_SIZES[option]), MAX_SIZE);
    default:
      return value;
  }
}
