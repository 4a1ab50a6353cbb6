/** Options of a connection on the epoll network: every one is the system's, set and asked. */
import type { SocketOption } from '../../world/network.ts';
import type { Addon } from '../addon.ts';
import { systemError } from '../system-error.ts';

/** All of them; the place of each is its code in native/options.c. */
export const EPOLL_OPTIONS: readonly SocketOption[] = [
  'noDelay',
  'keepAlive',
  'keepAliveIdleMs',
  'keepAliveIntervalMs',
  'keepAliveCount',
  'userTimeoutMs',
  'recvBufferSize',
  'sendBufferSize',
];

/** The addon's answer for an option of TCP on a Unix socket. */
const EOPNOTSUPP = -95;

export function readOption(addon: Addon, handle: number, option: SocketOption): number | undefined {
  const value = addon.getOption(handle, EPOLL_OPTIONS.indexOf(option));
  return value < 0 ? undefined : value * unitOf(option);
}

/** Rounded up to the system's unit: a time of 0 seconds would be refused, or mean another thing. */
export function writeOption(
  addon: Addon,
  handle: number,
  option: SocketOption,
  value: number,
): void {
  const code = EPOLL_OPTIONS.indexOf(option);
  const result = addon.setOption(handle, code, Math.ceil(value / unitOf(option)));
  if (result < 0 && result !== EOPNOTSUPP) throw systemError(result, 'setsockopt');
}

/** TCP_KEEPIDLE and TCP_KEEPINTVL are in seconds, TCP_USER_TIMEOUT in milliseconds (tcp(7)). */
function unitOf(option: SocketOption): number {
  return option === 'keepAliveIdleMs' || option === 'keepAliveIntervalMs' ? 1000 : 1;
}
