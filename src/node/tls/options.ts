/** The options of TLS in the form that node:tls wants, and its complaints in plain words. */
import type {
  TlsOptions as NodeServerOptions,
  SecureContext,
  SecureContextOptions,
} from 'node:tls';
import { createSecureContext } from 'node:tls';
import { UsageError } from '../../kernel/errors.ts';
import type { TlsIdentity, TlsOptions, TlsServerOptions } from '../../world/tls.ts';

/** The default of `handshakeTimeoutMs`. */
const DEFAULT_TIMEOUT_MS = 10_000;

/** What OpenSSL says of a certificate or a key (the words differ between its versions). */
const OPENSSL_ERRORS: readonly (readonly [RegExp, string])[] = [
  [/key values mismatch|KEY_VALUES_MISMATCH|key type mismatch/i, '`cert` and `key` do not match'],
  [
    /bad decrypt|mac verify failure|passphrase|interrupted or cancelled|bad password read/i,
    'the `passphrase` is missing or wrong',
  ],
  [/no start line|PEM|DECODER|asn1|not enough data|wrong tag/i, 'it is not in PEM or PKCS#12 form'],
  [/cipher/i, 'no such cipher is known'],
];

/** As node:tls wants what both sides have in common. */
export function contextOptions(options: TlsOptions): SecureContextOptions {
  const { alpn, ALPNProtocols, handshakeTimeoutMs, ...rest } = options;
  return rest as SecureContextOptions;
}

/** The protocols, under the name that node:tls has for them. */
export function alpnOptions({ alpn, ALPNProtocols }: TlsOptions): { ALPNProtocols?: string[] } {
  const protocols = alpn ?? ALPNProtocols;
  return protocols === undefined || protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] };
}

export function handshakeTimeoutOf({ handshakeTimeoutMs }: TlsOptions): number {
  return handshakeTimeoutMs ?? DEFAULT_TIMEOUT_MS;
}

/** A context with the certificate and the key of `options`; ERR_TLS_OPTIONS if they are no good. */
export function secureContext(options: SecureContextOptions, where: string): SecureContext {
  return withPlainErrors(where, () => createSecureContext(options));
}

/** Runs `make`, and puts its failure into words. */
export function withPlainErrors<T>(where: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw tlsOptionsError(where, error as Error & { code?: string });
  }
}

function tlsOptionsError(where: string, cause: Error & { code?: string }): UsageError {
  const said = `${cause.code ?? ''} ${cause.message}`;
  const plain = OPENSSL_ERRORS.find(([pattern]) => pattern.test(said))?.[1];
  const why = plain === undefined ? cause.message : `${plain} (${cause.message})`;
  return new UsageError('ERR_TLS_OPTIONS', `\`${where}\` cannot be used: ${why}`, { cause });
}

/** What a listener passes on to `tls.createServer`. */
export function serverOptions(options: TlsServerOptions): NodeServerOptions {
  const { contexts, SNICallback, maxHandshakes, ticketKeys, alpn, ALPNProtocols, ...rest } =
    options;
  const choose = servernameCallback(options);
  return {
    ...(contextOptions(rest) as NodeServerOptions),
    ...alpnOptions(options),
    ...(choose === undefined ? {} : { SNICallback: choose }),
    ...(ticketKeys === undefined ? {} : { ticketKeys: Buffer.from(ticketKeys) }),
    handshakeTimeout: 2 ** 31 - 1, // the listener's own timer is the shorter one
  };
}

type Done = (error: Error | null, context?: SecureContext) => void;

/** Which identity a client is shown that asks for a name. `undefined`: there is only one. */
function servernameCallback(
  options: TlsServerOptions,
): ((servername: string, done: Done) => void) | undefined {
  const { contexts, SNICallback } = options;
  if (contexts === undefined && SNICallback === undefined) return undefined;
  const known = identities(options);
  return (servername, done) => {
    const name = servername.toLowerCase();
    const found = known.get(name) ?? known.get(name.replace(/^[^.]+/, '*'));
    if (found !== undefined || SNICallback === undefined) return done(null, found);
    try {
      SNICallback(servername, done as Parameters<typeof SNICallback>[1]);
    } catch (error) {
      done(error as Error); // node:tls would let it out as an uncaught exception
    }
  };
}

/** What is not said for a name is as for the whole listener, except whose certificate it is. */
function identities(options: TlsServerOptions): Map<string, SecureContext> {
  const { contexts = {}, cert, key, pfx, passphrase, SNICallback, ...shared } = options;
  const made = Object.entries(contexts).map(([name, own]) => {
    const all = contextOptions({ ...shared, ...own } as TlsIdentity);
    const context = secureContext(all, `tls.contexts[${JSON.stringify(name)}]`);
    return [name.toLowerCase(), context] as const;
  });
  return new Map(made);
}
