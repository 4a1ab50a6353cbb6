/** Checks of the TLS options: names, types and ranges. They run before anything is opened. */

import { UsageError } from '../../kernel/errors.ts';
import {
  checkBoolean,
  checkDuration,
  checkInteger,
  outOfRange,
  wrongType,
} from '../../support/checks.ts';
import type { TlsClientOptions, TlsIdentity, TlsServerOptions } from '../../world/tls.ts';

/** Throws if `value` is not valid for the option `name`. */
type Check = (name: string, value: unknown) => void;

const VERSIONS: readonly unknown[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

/** The length of a protocol name is sent in one byte (RFC 7301, section 3.1). */
const LONGEST_PROTOCOL = 255;

/** node:tls accepts exactly this many bytes. */
const TICKET_KEYS_LENGTH = 48;

const MAX_HANDSHAKES = 65_536;

/** The check that `isValid` returns true. */
function checkThat(expected: string, isValid: (value: unknown) => boolean): Check {
  return (name, value) => {
    if (!isValid(value)) throw wrongType(name, expected, value);
  };
}

const text = checkThat('a string', (value) => typeof value === 'string');
const callable = checkThat('a function', (value) => typeof value === 'function');
const bytes = checkThat('a Uint8Array', (value) => value instanceof Uint8Array);
const version = checkThat(`one of ${VERSIONS.map((known) => `'${known}'`).join(', ')}`, (value) =>
  VERSIONS.includes(value),
);

/** A text, bytes, or an object with one of them as `key`; or an array of these. */
function material(key: 'pem' | 'buf' | undefined): Check {
  const objects = key === undefined ? '' : `, { ${key}, passphrase }`;
  const expected = `a string, a Uint8Array${objects} or an array of these`;
  const isText = (value: unknown) => typeof value === 'string' || value instanceof Uint8Array;
  const isObject = (value: unknown) =>
    key !== undefined && isText((value as Record<string, unknown> | null)?.[key]);
  const one = checkThat(expected, (value) => isText(value) || isObject(value));
  return (name, value) => {
    if (!Array.isArray(value)) return one(name, value);
    for (const [index, item] of value.entries()) one(`${name}[${index}]`, item);
  };
}

const protocols: Check = (name, value) => {
  if (!Array.isArray(value)) throw wrongType(name, "an array such as ['h2', 'http/1.1']", value);
  for (const [index, protocol] of value.entries()) {
    text(`${name}[${index}]`, protocol);
    const { length } = Buffer.from(protocol);
    if (length >= 1 && length <= LONGEST_PROTOCOL) continue;
    throw outOfRange(`${name}[${index}]`, `a name of 1 to ${LONGEST_PROTOCOL} bytes`, protocol);
  }
};

const ticketKeys: Check = (name, value) => {
  bytes(name, value);
  const { length } = value as Uint8Array;
  if (length !== TICKET_KEYS_LENGTH) {
    throw outOfRange(`${name}.length`, `${TICKET_KEYS_LENGTH} bytes`, length);
  }
};

const identity: Readonly<Record<string, Check>> = {
  cert: material(undefined),
  key: material('pem'),
  pfx: material('buf'),
  passphrase: text,
  ca: material(undefined),
  crl: material(undefined),
};

const common: Readonly<Record<string, Check>> = {
  ...identity,
  ciphers: text,
  ecdhCurve: text,
  sigalgs: text,
  minVersion: version,
  maxVersion: version,
  alpn: protocols,
  ALPNProtocols: protocols,
  handshakeTimeoutMs: checkDuration,
};

const contexts: Check = (name, value) => {
  for (const [servername, options] of Object.entries(checkedObject(name, value))) {
    const path = `${name}[${JSON.stringify(servername)}]`;
    checkAll(path, options, identity);
    checkCertificateHasKey(path, options as TlsIdentity);
  }
};

const server: Readonly<Record<string, Check>> = {
  ...common,
  dhparam: material(undefined),
  sessionIdContext: text,
  requestCert: checkBoolean,
  rejectUnauthorized: checkBoolean,
  contexts,
  SNICallback: callable,
  ticketKeys,
  maxHandshakes: (name, value) => checkInteger(name, value as number, 1, MAX_HANDSHAKES),
};

const client: Readonly<Record<string, Check>> = {
  ...common,
  servername: text,
  rejectUnauthorized: checkBoolean,
  checkServerIdentity: callable,
  session: bytes,
};

/** Throws for invalid options of a listener. */
export function checkTlsServer(options: TlsServerOptions): void {
  checkAll('tls', options, server);
  const { contexts: others, SNICallback } = options;
  if (others === undefined && SNICallback === undefined) requireCertificate('tls', options);
  checkCertificateHasKey('tls', options);
}

/** Throws for invalid options of a connection. */
export function checkTlsClient(options: TlsClientOptions): void {
  checkAll('tls', options, client);
  checkCertificateHasKey('tls', options);
}

function checkAll(name: string, options: unknown, checks: Readonly<Record<string, Check>>): void {
  for (const [option, value] of Object.entries(checkedObject(name, options))) {
    if (!Object.hasOwn(checks, option)) throw unknownOption(name, option, Object.keys(checks));
    if (value !== undefined) checks[option]?.(`${name}.${option}`, value);
  }
}

function checkedObject(name: string, value: unknown): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw wrongType(name, 'an object such as { cert, key }', value);
}

/** A misspelled option would have no effect, so it is an error. */
function unknownOption(name: string, option: string, known: readonly string[]): UsageError {
  const expected = known.join(', ');
  return tlsOptionsError(`\`${name}\` has no option '${option}'. Expected one of: ${expected}`);
}

function requireCertificate(name: string, { cert, pfx }: TlsIdentity): void {
  if (cert !== undefined || pfx !== undefined) return;
  throw tlsOptionsError(
    'A listener with TLS needs a certificate and its key.\n' +
      `  wrong:  listen(address, { ${name}: {} })\n` +
      `  right:  listen(address, { ${name}: { cert, key } })`,
  );
}

/** node:tls accepts one without the other, and every handshake then fails. */
function checkCertificateHasKey(name: string, { cert, key, pfx }: TlsIdentity): void {
  if (pfx !== undefined || (cert === undefined) === (key === undefined)) return;
  const [there, missing] = cert === undefined ? ['key', 'cert'] : ['cert', 'key'];
  throw tlsOptionsError(
    `\`${name}.${there}\` is given without \`${name}.${missing}\`: both are needed`,
  );
}

/** The error for TLS options that are unusable, or unusable together. */
export function tlsOptionsError(message: string): UsageError {
  return new UsageError('ERR_TLS_OPTIONS', message);
}
