/** Addresses of node:net sockets as endpoints, and endpoints as text. */
import type { Server, Socket } from 'node:net';
import type { Endpoint } from '../world/network.ts';

/** Both ends of a connection. */
export interface Ends {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** "127.0.0.1:25000", "[::1]:25000", "/run/x.sock". */
export function endpointText(endpoint: Endpoint): string {
  if ('path' in endpoint) return endpoint.path === '' ? '(unnamed)' : endpoint.path;
  const { host, port, family } = endpoint;
  return family === 6 ? `[${host}]:${port}` : `${host}:${port}`;
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
  if ('path' in at) return { local: at, remote: { path: '' } };
  const local = localEnd(socket);
  const remote = remoteEnd(socket);
  return local === undefined || remote === undefined ? undefined : { local, remote };
}

/** The near end of an attempt, of which nothing is known yet but its kind. */
export function unboundEnd(to: Endpoint): Endpoint {
  if ('path' in to) return { path: '' };
  return { host: to.family === 6 ? '::' : '0.0.0.0', port: 0, family: to.family };
}

function ipEndpoint(host?: string, port?: number, family?: string): Endpoint | undefined {
  if (host === undefined || port === undefined) return undefined;
  return { host, port, family: family === 'IPv6' ? 6 : 4 };
}
