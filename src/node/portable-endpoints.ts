/** Addresses of node:net's sockets and servers, as endpoints. */
import type { Server, Socket } from 'node:net';
import type { Endpoint } from '../world/network.ts';

/** An end that has no name: a Unix client's, or one that is not known yet. */
export const NOWHERE: Endpoint = { path: '' };

/** Both ends of a connection. */
export interface Ends {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** The near end of a TCP socket; `undefined` once the system no longer knows it. */
export function localEnd(socket: Socket): Endpoint | undefined {
  return ipEndpoint(socket.localAddress, socket.localPort, socket.localFamily);
}

/** The far end of a TCP socket; `undefined` once the peer has gone. */
export function remoteEnd(socket: Socket): Endpoint | undefined {
  return ipEndpoint(socket.remoteAddress, socket.remotePort, socket.remoteFamily);
}

/** Where `server` listens; `undefined` before and after. */
export function boundEnd(server: Server): Endpoint | undefined {
  const bound = server.address();
  if (bound === null) return undefined;
  if (typeof bound === 'string') return { path: bound };
  return ipEndpoint(bound.address, bound.port, bound.family);
}

/** Both ends of an accepted connection; `undefined` when the peer has gone already. */
export function acceptedEnds(socket: Socket, at: Endpoint): Ends | undefined {
  if (socket.destroyed) return undefined;
  if ('path' in at) return { local: at, remote: NOWHERE };
  const local = localEnd(socket);
  const remote = remoteEnd(socket);
  return local === undefined || remote === undefined ? undefined : { local, remote };
}

function ipEndpoint(host?: string, port?: number, family?: string): Endpoint | undefined {
  if (host === undefined || port === undefined) return undefined;
  return { host, port, family: family === 'IPv6' ? 6 : 4 };
}
