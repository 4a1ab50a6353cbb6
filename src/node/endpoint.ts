/** Endpoints as text and as the three arguments that the addon takes. */
import type { Endpoint } from '../world/network.ts';

/** "127.0.0.1:25000", "[::1]:25000", "/run/x.sock". */
export function endpointText(endpoint: Endpoint): string {
  if ('path' in endpoint) return endpoint.path.replace(/^\0/, '@');
  const { host, port, family } = endpoint;
  return family === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** 4 and 6 as in the endpoint, 1 for a Unix socket, 0 for none: LOCAL of native/address.c. */
export function familyOf(endpoint: Endpoint | undefined): number {
  if (endpoint === undefined) return 0;
  return 'path' in endpoint ? 1 : endpoint.family;
}

export function hostOf(endpoint: Endpoint | undefined): string {
  if (endpoint === undefined) return '';
  return 'path' in endpoint ? endpoint.path : endpoint.host;
}

export function portOf(endpoint: Endpoint | undefined): number {
  return endpoint === undefined || 'path' in endpoint ? 0 : endpoint.port;
}

/** The host that was seen last. Many connections come from one: they need not have a copy each. */
let lastHost = '';

/** The same endpoint, its host being one string with that of the last one if they are equal. */
export function withInternedHost(endpoint: Endpoint): Endpoint {
  if (!('host' in endpoint)) return endpoint;
  if (endpoint.host !== lastHost) lastHost = endpoint.host;
  return { host: lastHost, port: endpoint.port, family: endpoint.family };
}
