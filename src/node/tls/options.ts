/** The TLS options in the form of node:tls, and the errors of OpenSSL in plain words. */
import type {
  TlsOptions as NodeServerOptions,
  SecureContext,
  SecureContextOptions,
} from 'node:tls';
import { UsageError } from '../../kernel/errors.ts';
import { wrongType } from '../../support/checks.ts';
import type { TlsIdentity, TlsOptions, TlsServerOptions } from '../../world/tls.ts';

/** The default of `handshakeTimeoutMs`. */
const DEFAULT_TIMEOUT_MS = 10_000;

/** Messages of OpenSSL about certificates and keys (they differ between its versions). */
const OPENSSL_ERRORS: readonly (readonly [RegExp, string])[] = [
  [/key values mismatch|KEY_VALUES_MISMATCH|key type mismatch/i, '`cert` and `key` do not match'],
  [
    /bad decrypt|mac verify failure|passphrase|interrupted or cancelled|bad password read/i,
    'the `passphrase` is missing or wrong',
  ],
  [/no start line|PEM|DECODER|asn1|not enough data|wrong tag/i, 'it is not in PEM or PKCS#12 form'],
  [/cipher/i, 'there is no such cipher'],
];

/** The options that clients and servers have in common. */
export function contextOptions(options: TlsOptions): SecureContextOptions {
  const { alpn, ALPNProtocols, handshakeTimeoutMs, ...rest } = options;
  return rest as SecureContextOptions;
}

/** The protocols of `alpn`, under the name that node:tls has for them. */
export function alpnOptions({ alpn, ALPNProtocols }: TlsOptions): { ALPNProtocols?: string[] } {
  const protocols = alpn ?? ALPNProtocols;
  return protocols === undefined || protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] };
}

export function handshakeTimeoutOf({ handshakeTimeoutMs }: TlsOptions): number {
  return handshakeTimeoutMs ?? DEFAULT_TIMEOUT_MS;
}

/** A context with the certificate and the key of `options`. Errors: ERR_TLS_OPTIONS. */
export function secureContext(options: SecureContextOptions, where: string): SecureContext {
  const { createSecureContext } = process.getBuiltinModule('node:tls');
  return withPlainErrors(where, () => createSecureContext(options));
}

/** Runs `make` and converts its error to ERR_TLS_OPTIONS with a plain message. */
export function withPlainErrors<T>(where: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw tlsOptionsError(where, error as Error & { code?: string });
  }
}

function tlsOptionsError(where: string, cause: Error & { code?: string }): UsageError {
  const text = `${cause.code ?? ''} ${cause.message}`;
  const plain = OPENSSL_ERRORS.find(([pattern]) => pattern.test(text))?.[1];
  const why = plain === undefined ? cause.message : `${plain} (${cause.message})`;
  return new UsageError('ERR_TLS_OPTIONS', `\`${where}\` cannot be used: ${why}`, { cause });
}

/** The options for `tls.createServer`. */
export function serverOptions(
  options: TlsServerOptions,
  identities: ReadonlyMap<string, SecureContext>,
): NodeServerOptions {
  const choose = servernameCallback(options, identities);
  return {
    ...serverContextOptions(options),
    ...alpnOptions(options),
    ...(choose === undefined ? {} : { SNICallback: choose }),
    handshakeTimeout: 2 ** 31 - 1, // disabled: TlsHandshake has its own timer
  };
}

/** The options of the context with the listener's own identity. */
export function serverContextOptions(options: TlsServerOptions): SecureContextOptions {
  const { contexts, SNICallback, maxHandshakes, ticketKeys, ...rest } = options;
  const keys = ticketKeys === undefined ? {} : { ticketKeys: Buffer.from(ticketKeys) };
  return { ...contextOptions(rest), ...keys };
}

type Done = (error: Error | null, context?: SecureContext) => void;

/** Chooses the certificate for the server name of a client; `undefined`: there is only one. */
function servernameCallback(
  { contexts, SNICallback }: TlsServerOptions,
  identities: ReadonlyMap<string, SecureContext>,
): ((servername: string, done: Done) => void) | undefined {
  if (contexts === undefined && SNICallback === undefined) return undefined;
  return (servername, done) => {
    const found = identityFor(identities, servername);
    if (found !== undefined || SNICallback === undefined) return done(null, found);
    const checked = (error: Error | null, context?: unknown): void =>
      done(error ?? contextError(context), context as SecureContext);
    try {
      SNICallback(servername, checked);
    } catch (error) {
      done(error as Error); // with node:tls, it would be an uncaught exception
    }
  };
}

/** node:tls would use the listener's own context, although it reports an error. */
function contextError(context: unknown): Error | null {
  if (context === undefined || context === null) return null;
  if (typeof context === 'object' && 'context' in context) return null;
  return wrongType('context', 'a tls.SecureContext', context);
}

/** Makes the contexts of `options.contexts`. The options of a name extend those of the listener,
 *  except for certificate and key. */
export function namedIdentities<C>(
  options: TlsServerOptions,
  make: (options: SecureContextOptions, where: string) => C,
): ReadonlyMap<string, C> {
  const { contexts = {}, cert, key, pfx, passphrase, SNICallback, ...shared } = options;
  const entries = Object.entries(contexts).map(([name, own]) => {
    const all = contextOptions({ ...shared, ...own } as TlsIdentity);
    return [name.toLowerCase(), make(all, `tls.contexts[${JSON.stringify(name)}]`)] as const;
  });
  return new Map(entries);
}

/** The identity for the name that a client requests, or for the wildcard that covers it. */
export function identityFor<C>(
  identities: ReadonlyMap<string, C>,
  servername: string,
): C | undefined {
  const name = servername.toLowerCase();
  return identities.get(name) ?? identities.get(name.replace(/^[^.]+/, '*'));
}
