/** Endpoints as text and as arguments of the addon. */
import type { Endpoint } from '../world/network.ts';

/** "127.0.0.1:25000", "[::1]:25000", "/run/x.sock"; an abstract name begins with "@". */
export function endpointText(endpoint: Endpoint): string {
  if ('path' in endpoint) return endpoint.path.replace(/^\0/, '@');
  const { host, port, family } = endpoint;
  return family === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Connections of a listener at a wildcard address have different local addresses. */
export function isWildcard(endpoint: Endpoint): boolean {
  return 'host' in endpoint && (endpoint.host === '0.0.0.0' || endpoint.host === '::');
}

/** FAMILY_UNIX of native/coronet.h. */
export const FAMILY_UNIX = 1;

export type AddressArguments = [family: number, host: string, port: number];

/** The three arguments that the addon takes for an address. Family 0: no address. */
export function addressArguments(endpoint: Endpoint | undefined): AddressArguments {
  if (endpoint === undefined) return [0, '', 0];
  if ('path' in endpoint) return [FAMILY_UNIX, endpoint.path, 0];
  return [endpoint.family, endpoint.host, endpoint.port];
}

/** The IPv4 address in the four bytes at `at`. */
export function dotted(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** The most recent host. Connections from the same host share one string. */
let lastHost = '';

/** A copy of `endpoint` whose host is the string of the previous call if both are equal. */
export function withInternedHost(endpoint: Endpoint): Endpoint {
  if (!('host' in endpoint)) return endpoint;
  if (endpoint.host !== lastHost) lastHost = endpoint.host;
  return { host: lastHost, port: endpoint.port, family: endpoint.family };
}
