/** Addresses: the forms in which a program gives them, and the form in which it gets them back. */
import { checkInteger, show, wrongType } from '../kernel/checks.ts';
import { UsageError } from '../kernel/errors.ts';
import type { Endpoint } from '../world/network.ts';

/**
 * 25000, '127.0.0.1:25000', '[::1]:80', 'example.org:80', '/run/x.sock', { host, port }, { path }.
 */
export type Address =
  | number
  | string
  | { readonly host?: string; readonly port: number; readonly path?: undefined }
  | { readonly path: string }
  | SocketAddress;

/** An address taken apart, before names are looked up. `host` '' means: none was given. */
export type ParsedAddress =
  | { readonly host: string; readonly port: number; readonly path?: undefined }
  | { readonly path: string };

/** One end of a connection, or where a listener is bound. */
export class SocketAddress {
  /** The IP address; '' for a Unix socket. */
  readonly host: string;
  /** The port; 0 for a Unix socket. */
  readonly port: number;
  readonly family: 'IPv4' | 'IPv6' | 'unix';
  /** The path of a Unix socket ('' for an unnamed one); `undefined` for TCP. */
  readonly path: string | undefined;

  constructor(endpoint: Endpoint) {
    if ('path' in endpoint) {
      this.host = '';
      this.port = 0;
      this.family = 'unix';
      this.path = endpoint.path;
    } else {
      this.host = endpoint.host;
      this.port = endpoint.port;
      this.family = endpoint.family === 6 ? 'IPv6' : 'IPv4';
      this.path = undefined;
    }
  }

  /** '127.0.0.1:25000', '[::1]:80', '/run/x.sock'. */
  toString(): string {
    return formatAddress(this as ParsedAddress);
  }
}

/** The text form of an address, as `parseAddress` takes it. */
export function formatAddress(address: ParsedAddress): string {
  if ('path' in address && address.path !== undefined) return address.path;
  const { host, port } = address;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Takes an address apart. Errors: TypeError or RangeError for what is of the wrong type or range,
 * ERR_ADDRESS for a text that is no address.
 */
export function parseAddress(address: Address): ParsedAddress {
  if (typeof address === 'number') return atPort('', address);
  if (typeof address === 'string') return parseText(address);
  if (typeof address !== 'object' || address === null) {
    throw wrongType('address', 'a port, a text or an object', address);
  }
  if ('path' in address && address.path !== undefined) return atPath(address.path);
  if (!('port' in address)) throw noAddress(show(address));
  const { host = '', port } = address;
  if (typeof host !== 'string') throw wrongType('address.host', 'a string', host);
  return atPort(host, port);
}

function parseText(text: string): ParsedAddress {
  if (text.startsWith('/') || text.startsWith('./') || text.startsWith('@')) return atPath(text);
  if (/^\d+$/.test(text)) return atPort('', Number(text));
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(text);
  if (match === null) throw noAddress(text);
  return atPort(match[1] ?? match[2] ?? '', Number(match[3]));
}

function atPort(host: string, port: number): ParsedAddress {
  checkInteger('port', port, 0, 65535);
  return { host, port };
}

function atPath(path: string): ParsedAddress {
  if (typeof path !== 'string') throw wrongType('address.path', 'a string', path);
  if (path === '') throw noAddress(path);
  return { path };
}

function noAddress(text: string): UsageError {
  return new UsageError(
    'ERR_ADDRESS',
    `Expected an address such as 25000, '127.0.0.1:25000', '[::1]:80' or '/run/x.sock', got ` +
      show(text),
  );
}

/** 4 or 6 for the text of an IP address, 0 for anything else (a name). */
export function ipFamily(host: string): 0 | 4 | 6 {
  if (host.includes(':')) return 6;
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(host) && host.split('.').every((n) => Number(n) < 256)
    ? 4
    : 0;
}
