/** What is known of a TLS connection that stands. */
import type { TLSSocket } from 'node:tls';
import type { TlsInfo, TlsPeerCertificate } from '../../world/tls.ts';

/** Copied when the handshake is complete: a closed connection is still asked about. */
export class ConnectionInfo implements TlsInfo {
  readonly protocol: string;
  readonly cipher: string;
  readonly alpn: string | undefined;
  readonly servername: string | undefined;
  readonly authorized: boolean;
  readonly authorizationError: string | undefined;
  readonly sessionReused: boolean;
  /** Kept up to date by the transport: a server may send tickets at any time. */
  session: Buffer | undefined = undefined;
  readonly #socket: TLSSocket;
  #certificate: TlsPeerCertificate | null | undefined = undefined;

  constructor(socket: TLSSocket) {
    const { standardName, name } = socket.getCipher();
    this.#socket = socket;
    this.protocol = socket.getProtocol() ?? '';
    this.cipher = standardName ?? name;
    this.alpn = socket.alpnProtocol || undefined;
    this.servername = servernameOf(socket);
    this.authorized = socket.authorized;
    this.authorizationError = codeOf(socket.authorizationError);
    this.sessionReused = socket.isSessionReused();
  }

  /** Taken apart when it is asked for: that costs more than all the rest. */
  get peerCertificate(): TlsPeerCertificate | undefined {
    if (this.#certificate === undefined && !this.#socket.destroyed) {
      const found = this.#socket.getPeerCertificate() as Partial<TlsPeerCertificate> | null;
      this.#certificate = found?.raw === undefined ? null : (found as TlsPeerCertificate);
    }
    return this.#certificate ?? undefined;
  }
}

/** Servers keep the name that the client asked for; `false` and null stand for none. */
function servernameOf(socket: TLSSocket): string | undefined {
  const { servername } = socket as { servername?: unknown };
  return typeof servername === 'string' && servername !== '' ? servername : undefined;
}

/** A code, or an error that has one, according to the side of the connection. */
function codeOf(reason: unknown): string | undefined {
  if (reason === null || reason === undefined) return undefined;
  return String((reason as { code?: unknown }).code ?? reason);
}
