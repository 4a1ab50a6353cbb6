/** TLS of clients on the native engine: the context, and the check of the server's certificate. */
import { isIP } from 'node:net';
import type { TlsClientOptions, TlsPeerCertificate } from '../../../world/tls.ts';
import type { Addon } from '../../addon.ts';
import { contextOptions } from '../../tls/options.ts';
import type { NativeContext } from './context.ts';
import { makeContext, protocolList } from './context.ts';
import type { NativeTlsInfo } from './info.ts';
import type { TlsRole } from './transport.ts';

type IdentityCheck = NonNullable<TlsClientOptions['checkServerIdentity']>;

/** The context of connections with these options; `undefined`: left to node:tls. */
export function clientContext(addon: Addon, options: TlsClientOptions): NativeContext | undefined {
  const protocols = protocolList(options);
  return makeContext(addon, contextOptions(options), { flags: 0, protocols, where: 'tls' });
}

/** The role in a connection to `host`, the name that the certificate must be valid for. */
export function clientRole(
  context: NativeContext,
  options: TlsClientOptions,
  host: string,
): TlsRole {
  const { session, rejectUnauthorized = true } = options;
  const servername = options.servername ?? (isIP(host) === 0 ? host : '');
  const { checkServerIdentity } = process.getBuiltinModule('node:tls');
  const checkIdentity = options.checkServerIdentity ?? (checkServerIdentity as IdentityCheck);
  return {
    context,
    servername,
    session,
    isClient: true,
    checkPeer(info) {
      const error =
        certificateError(info) ?? identityError(info, servername || host, checkIdentity);
      info.authorized = error === undefined;
      if (error === undefined) return;
      info.authorizationError = error.code ?? error.message;
      if (rejectUnauthorized) throw error;
    },
  };
}

function certificateError({ certificateError: found }: NativeTlsInfo): CodedError | undefined {
  return found && Object.assign(new Error(found.message), { code: found.code });
}

type CodedError = Error & { readonly code?: string };

/** The handshake of a resumed session has no certificate: its name was checked before. */
function identityError(
  info: NativeTlsInfo,
  host: string,
  check: IdentityCheck,
): CodedError | undefined {
  if (info.sessionReused) return undefined;
  try {
    return check(host, info.peerCertificate as TlsPeerCertificate);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
