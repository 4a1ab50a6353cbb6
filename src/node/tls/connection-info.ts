/** The properties of an established TLS connection, as the program reads them. */
import type { TLSSocket } from 'node:tls';
import type { TlsInfo, TlsPeerCertificate } from '../../world/tls.ts';

/** Copied when the handshake completes, because the properties remain readable after close. */
export class ConnectionInfo implements TlsInfo {
  readonly protocol: string;
  readonly cipher: string;
  readonly alpn: string | undefined;
  readonly servername: string | undefined;
  readonly authorized: boolean;
  readonly authorizationError: string | undefined;
  readonly sessionReused: boolean;
  /** Updated by the transport: a server may send tickets at any time. */
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

  /** Parsed on first use, because that costs more than all other properties together. */
  get peerCertificate(): TlsPeerCertificate | undefined {
    if (this.#certificate === undefined && !this.#socket.destroyed) {
      const found = this.#socket.getPeerCertificate() as Partial<TlsPeerCertificate> | null;
      this.#certificate = found?.raw === undefined ? null : (found as TlsPeerCertificate);
    }
    return this.#certificate ?? undefined;
  }
}

/** On a server, the name that the client requested; `false` and null stand for none. */
function servernameOf(socket: TLSSocket): string | undefined {
  const { servername } = socket as { servername?: unknown };
  return typeof servername === 'string' && servername !== '' ? servername : undefined;
}

/** `reason` is a code on clients, and an error with a code on servers. */
function codeOf(reason: unknown): string | undefined {
  if (reason === null || reason === undefined) return undefined;
  return String((reason as { code?: unknown }).code ?? reason);
}
