/**
 * What can be set of a connection, as Linux keeps it (tcp(7), socket(7)): sizes of buffers are
 * doubled and kept within limits, times of keep-alive are whole seconds.
 *
 * `noDelay` is kept and has no effect: in this network nothing waits to be sent together.
 */
import type { BufferSizes, SocketOption } from '../../world/network.ts';

/** What Linux begins with. Of a buffer half is for bytes (tcp_adv_win_scale in tcp(7)). */
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

/** SOCK_MIN_RCVBUF and SOCK_MIN_SNDBUF of Linux, and twice net.core.rmem_max and wmem_max. */
const MIN_SIZES = { recvBufferSize: 2304, sendBufferSize: 4608 };
const MAX_SIZE = 425_984;

export class SocketOptions {
  /** Null until something was set: most connections never set anything. */
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

/** The size of a buffer that was asked for, or `otherwise`. */
export function effectiveSize(
  option: 'recvBufferSize' | 'sendBufferSize',
  asked: number | undefined,
  otherwise: number,
): number {
  return asked === undefined ? otherwise : effectiveValue(option, asked);
}

/** Options of a Unix socket are those that every socket has. */
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
