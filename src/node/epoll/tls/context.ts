/**
 * Contexts of native TLS: made by `tls.createSecureContext`, and found by the addon, which watches
 * the contexts that OpenSSL creates meanwhile.
 */
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { TlsOptions } from '../../../world/tls.ts';
import type { Addon, AddonTlsContext } from '../../addon.ts';
import { alpnOptions, secureContext } from '../../tls/options.ts';

export interface NativeContext {
  readonly addonContext: AddonTlsContext;
  /** Kept as long as a connection uses the context: Node's callback for tickets uses it. */
  readonly secureContext: SecureContext;
}

/** How connections use a context. */
export interface ContextUse {
  /** Flags of AddonConstants. */
  readonly flags: number;
  /** The protocols of `alpn`. */
  readonly protocols?: Uint8Array | undefined;
  /** The option that an error names. */
  readonly where: string;
}

/**
 * Makes a context. `undefined`: the addon did not find it, and TLS is left to node:tls.
 * Errors: ERR_TLS_OPTIONS.
 */
export function makeContext(
  addon: Addon,
  options: SecureContextOptions,
  { flags, protocols, where }: ContextUse,
): NativeContext | undefined {
  if (addon.tlsBegin() !== '') return undefined;
  let made: SecureContext;
  try {
    made = secureContext(options, where);
  } catch (error) {
    addon.tlsTake(0);
    throw error;
  }
  const addonContext = addon.tlsTake(flags, protocols);
  return addonContext && { addonContext, secureContext: made };
}

/** The protocols in the form in which they are sent: each after its length (RFC 7301). */
export function protocolList(options: TlsOptions): Uint8Array | undefined {
  const { ALPNProtocols } = alpnOptions(options);
  const names = ALPNProtocols?.map((name) => Buffer.from(name));
  return names && Buffer.concat(names.flatMap((name) => [Buffer.from([name.length]), name]));
}
