/**
 * TLS as a program asks for it: the options of `listen` and `connect`, and what is known of a
 * connection that stands. The names are those of node:tls. Types only; nothing here runs.
 */

/** One or several texts in PEM form, or their bytes. */
export type TlsPem = string | Uint8Array | readonly (string | Uint8Array)[];

/** A key of several, with the passphrase that opens it. */
export interface TlsKey {
  readonly pem: string | Uint8Array;
  readonly passphrase?: string;
}

/** A PKCS#12 container of several, with the passphrase that opens it. */
export interface TlsPfx {
  readonly buf: string | Uint8Array;
  readonly passphrase?: string;
}

/** Who one is, and whom one trusts: what can differ from name to name on one listener. */
export interface TlsIdentity {
  /** The certificate chain, one's own first. */
  readonly cert?: TlsPem;
  /** The private key of `cert`. */
  readonly key?: string | Uint8Array | readonly (string | Uint8Array | TlsKey)[];
  /** Certificate and key in one PKCS#12 container. */
  readonly pfx?: string | Uint8Array | readonly (string | Uint8Array | TlsPfx)[];
  /** Opens `key` or `pfx`. */
  readonly passphrase?: string;
  /** Whom to trust; absent: the authorities that the runtime knows. */
  readonly ca?: TlsPem;
  /** Certificates that were revoked. */
  readonly crl?: TlsPem;
}

/** What both sides of TLS can be told. */
export interface TlsOptions extends TlsIdentity {
  readonly ciphers?: string;
  readonly ecdhCurve?: string;
  readonly sigalgs?: string;
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
  /** Application protocols, the preferred one first: ['h2', 'http/1.1']. */
  readonly alpn?: readonly string[];
  /** The same under the name that node:tls has for it. */
  readonly ALPNProtocols?: readonly string[];
  /** Milliseconds that a handshake may take; default 10 000. */
  readonly handshakeTimeoutMs?: number;
}

/** A version of the TLS protocol, as in the options of node:tls. */
export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/** What `listen` and `tcpServer` can be told as `tls`. */
export interface TlsServerOptions extends TlsOptions {
  /** Parameters for DHE: 'auto', or in PEM form. */
  readonly dhparam?: string | Uint8Array;
  /** Keeps sessions of different services apart that share ticket keys. */
  readonly sessionIdContext?: string;
  /** Ask clients for a certificate; default false. */
  readonly requestCert?: boolean;
  /** With `requestCert`: refuse a client without a valid one; default true. */
  readonly rejectUnauthorized?: boolean;
  /** Other identities by the name that the client asks for: 'a.test', '*.a.test'. */
  readonly contexts?: Readonly<Record<string, TlsIdentity>>;
  /** Is asked for names that are not in `contexts`. Gives a `tls.SecureContext`, or nothing for the
   *  listener's own identity. */
  readonly SNICallback?: (
    servername: string,
    done: (error: Error | null, context?: unknown) => void,
  ) => void;
  /** 48 bytes that encrypt session tickets; absent: random ones. Several processes, or a listener
   *  before and after `reloadTls`, resume each other's sessions if they share them. */
  readonly ticketKeys?: Uint8Array;
  /** Connections that may be in a handshake or wait to be accepted after it; default 256. The
   *  others stay in the network's queue; while some do, a handshake may take two seconds. */
  readonly maxHandshakes?: number;
}

/** What `connect` can be told as `tls`. */
export interface TlsClientOptions extends TlsOptions {
  /** The name that the server is asked for, and that its certificate must have. Default: the host,
   *  unless that is an IP address (then nobody is asked for, and the certificate must have it). */
  readonly servername?: string;
  /** False: talk to a server whose certificate is not valid, too; see `socket.tls.authorized`. */
  readonly rejectUnauthorized?: boolean;
  /** Decides whether the certificate, which is valid, is that of `host`: gives an error if not. */
  readonly checkServerIdentity?: (
    host: string,
    certificate: TlsPeerCertificate,
  ) => Error | undefined;
  /** A session to resume: `socket.tls.session` of an earlier connection. */
  readonly session?: Uint8Array;
}

/** A certificate as node:tls shows it. */
export interface TlsPeerCertificate {
  readonly subject: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly issuer: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly subjectaltname?: string;
  readonly valid_from: string;
  readonly valid_to: string;
  readonly serialNumber: string;
  readonly fingerprint256: string;
  /** The certificate in DER form. */
  readonly raw: Buffer;
}

/** What is known of a TLS connection. */
export interface TlsInfo {
  /** 'TLSv1.3', 'TLSv1.2'. */
  readonly protocol: string;
  /** The cipher suite under its name in the standard: 'TLS_AES_256_GCM_SHA384'. */
  readonly cipher: string;
  /** The application protocol that both sides agreed on. */
  readonly alpn: string | undefined;
  /** The name that the client asked for. */
  readonly servername: string | undefined;
  /** True: the peer has shown a certificate, and it is valid. */
  readonly authorized: boolean;
  /** Why the certificate is not valid: 'CERT_HAS_EXPIRED'. */
  readonly authorizationError: string | undefined;
  /** The peer's certificate, if it has shown one. Ask before the socket is closed. */
  readonly peerCertificate: TlsPeerCertificate | undefined;
  /** True: the handshake was short, since it took up an earlier session. */
  readonly sessionReused: boolean;
  /** Clients: the latest ticket of the server, for `tls.session` of the next `connect`. */
  readonly session: Buffer | undefined;
}
