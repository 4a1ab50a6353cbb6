/** Attempts to connect on the epoll network. */
import type { ConnectOptions, Endpoint } from '../world/network.ts';
import { familyOf, hostOf, portOf } from './endpoint.ts';
import type { Registry } from './epoll-registry.ts';
import { EpollTransport } from './epoll-transport.ts';
import { systemError } from './system-error.ts';
import { checkPath } from './unix-path.ts';

/** Begins to connect. Throws what is known at once: no route, no descriptor, no listener. */
export function beginConnect(
  registry: Registry,
  poller: number,
  to: Endpoint,
  { localAddress: from, recvBufferSize = 0, sendBufferSize = 0 }: ConnectOptions,
): EpollTransport {
  checkPath(to, 'connect');
  const far = [familyOf(to), hostOf(to), portOf(to)] as const;
  const near = [familyOf(from), hostOf(from), portOf(from)] as const;
  const sizes = [recvBufferSize, sendBufferSize] as const;
  const handle = registry.addon.connect(poller, ...far, ...near, ...sizes);
  if (handle < 0) throw systemError(handle, 'connect', to);
  return new EpollTransport({ registry, handle, local: undefined, to });
}
