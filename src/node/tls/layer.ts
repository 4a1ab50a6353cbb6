/**
 * TLS over the connections of a network, with node:tls on top of its transports.
 *
 * The network counts and reports its own transports, so the layer does neither. It records its
 * connections to close them together with the network.
 */
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { HandshakeStage } from '../../world/handshake.ts';
import type { TlsClient } from '../../world/network.ts';
import type { TlsClientOptions, TlsPeerCertificate, TlsServerOptions } from '../../world/tls.ts';
import { CipherStream } from './cipher-stream.ts';
import type { TlsHandshake } from './handshake.ts';
import { TlsHandshakeStage } from './handshake.ts';
import type { LingeringClose } from './lingering-close.ts';
import { alpnOptions, contextOptions, secureContext, withPlainErrors } from './options.ts';
import { TlsTransport } from './transport.ts';

/** The node:tls of Bun and Deno does not work over a Duplex. */
export const HAS_TLS: boolean =
  process.versions['bun'] === undefined && process.versions['deno'] === undefined;

export class TlsLayer {
  /** The open ones. */
  readonly transports: Set<TlsTransport> = new Set();
  /** The closed ones whose last bytes are not sent yet. */
  readonly lingering: Set<LingeringClose> = new Set();
  /** The pending ones. */
  readonly handshakes: Set<TlsHandshake> = new Set();

  client(options: TlsClientOptions): TlsClient {
    const { connect } = process.getBuiltinModule('node:tls');
    const context = secureContext(contextOptions(options), 'tls');
    return (raw, host) => {
      const cipher = new CipherStream(raw);
      const socket = withPlainErrors('tls', () => {
        return connect({
          ...sessionOptions(options, host),
          secureContext: context,
          socket: cipher,
        });
      });
      const transport = new TlsTransport(socket, cipher, raw, this);
      socket.on('secureConnect', () => transport.opened());
      return transport;
    };
  }

  server(options: TlsServerOptions): HandshakeStage {
    return new TlsHandshakeStage(options, this);
  }

  /** True if TLS over `raw` was closed and `raw` is still sending the last bytes. */
  isClosing(raw: object): boolean {
    for (const closing of this.lingering) if (closing.raw === raw) return true;
    return false;
  }

  close(): void {
    for (const handshake of this.handshakes) handshake.abort();
    for (const transport of this.transports) transport.close();
    for (const closing of this.lingering) closing.finish();
  }
}

/** The options for one connection. `host` is the name that the certificate must be valid for. */
function sessionOptions(options: TlsClientOptions, host: string): ConnectionOptions {
  const { rejectUnauthorized = true, checkServerIdentity, session } = options;
  const servername = options.servername ?? (isIP(host) === 0 ? host : '');
  return {
    ...alpnOptions(options),
    host,
    servername,
    rejectUnauthorized,
    ...(session === undefined ? {} : { session: Buffer.from(session) }),
    ...(checkServerIdentity === undefined
      ? {}
      : { checkServerIdentity: guarded(checkServerIdentity) }),
  };
}

type IdentityCheck = NonNullable<TlsClientOptions['checkServerIdentity']>;

/** Returns the error that the check throws: with node:tls, it would be an uncaught exception. */
function guarded(check: IdentityCheck): NonNullable<ConnectionOptions['checkServerIdentity']> {
  return (host, certificate) => {
    try {
      return check(host, certificate as unknown as TlsPeerCertificate);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  };
}
