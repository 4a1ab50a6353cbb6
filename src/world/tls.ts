/**
 * TLS options of `listen` and `connect`, and the facts about an established TLS connection. The
 * names are those of node:tls. Types only; nothing here runs.
 */

/** One or several PEM documents, as text or bytes. */
export type TlsPem = string | Uint8Array | readonly (string | Uint8Array)[];

/** One of several private keys, with its own passphrase. */
export interface TlsKey {
  readonly pem: string | Uint8Array;
  readonly passphrase?: string;
}

/** One of several PKCS#12 containers, with its own passphrase. */
export interface TlsPfx {
  readonly buf: string | Uint8Array;
  readonly passphrase?: string;
}

/** A certificate, its key, and the trusted authorities. One listener may have several, by name. */
export interface TlsIdentity {
  /** The certificate chain, leaf certificate first. */
  readonly cert?: TlsPem;
  /** The private key of `cert`. */
  readonly key?: string | Uint8Array | readonly (string | Uint8Array | TlsKey)[];
  /** Certificate and key in one PKCS#12 container. */
  readonly pfx?: string | Uint8Array | readonly (string | Uint8Array | TlsPfx)[];
  /** Decrypts `key` or `pfx`. */
  readonly passphrase?: string;
  /** Trusted authorities. Absent: those of the runtime. */
  readonly ca?: TlsPem;
  /** Certificate revocation lists. */
  readonly crl?: TlsPem;
}

/** The TLS options that listeners and connections have in common. */
export interface TlsOptions extends TlsIdentity {
  readonly ciphers?: string;
  readonly ecdhCurve?: string;
  readonly sigalgs?: string;
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
  /** Application protocols (ALPN), the preferred one first: ['h2', 'http/1.1']. */
  readonly alpn?: readonly string[];
  /** The same as `alpn`, under its name in node:tls. */
  readonly ALPNProtocols?: readonly string[];
  /** Time limit for the handshake, in milliseconds; default 10 000. */
  readonly handshakeTimeoutMs?: number;
}

/** A version of the TLS protocol, as in the options of node:tls. */
export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/** The `tls` option of `listen` and `tcpServer`. */
export interface TlsServerOptions extends TlsOptions {
  /** DHE parameters: 'auto', or PEM. */
  readonly dhparam?: string | Uint8Array;
  /** Separates the sessions of services that share ticket keys. */
  readonly sessionIdContext?: string;
  /** Request a certificate from clients; default false. */
  readonly requestCert?: boolean;
  /** With `requestCert`: reject a client without a valid certificate; default true. */
  readonly rejectUnauthorized?: boolean;
  /** Identities by the server name that the client requests: 'a.test', '*.a.test'. */
  readonly contexts?: Readonly<Record<string, TlsIdentity>>;
  /** Called for a server name that is not in `contexts`. Passes a `tls.SecureContext` to `done`, or
   *  nothing for the listener's own identity. */
  readonly SNICallback?: (
    servername: string,
    done: (error: Error | null, context?: unknown) => void,
  ) => void;
  /** 48 bytes that encrypt session tickets; absent: random. Processes with the same keys, and a
   *  listener before and after `reloadTls`, resume each other's sessions. */
  readonly ticketKeys?: Uint8Array;
  /** The maximum number of connections that are in a handshake or wait to be accepted after it;
   *  default 256. Further connections stay in the network's queue. While connections wait there,
   *  the time limit of a handshake is two seconds. */
  readonly maxHandshakes?: number;
}

/** The `tls` option of `connect`. */
export interface TlsClientOptions extends TlsOptions {
  /** The server name to request (SNI), which the certificate must be valid for. Default: the host.
   *  For an IP address no name is requested, and the certificate must be valid for the address. */
  readonly servername?: string;
  /** False: accept a server without a valid certificate; see `socket.tls.authorized`. */
  readonly rejectUnauthorized?: boolean;
  /** Checks that a valid certificate belongs to `host`. Returns an error if it does not. */
  readonly checkServerIdentity?: (
    host: string,
    certificate: TlsPeerCertificate,
  ) => Error | undefined;
  /** A session to resume: `socket.tls.session` of an earlier connection. */
  readonly session?: Uint8Array;
}

/** A certificate in the shape of node:tls. */
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

/** The facts about an established TLS connection. */
export interface TlsInfo {
  /** 'TLSv1.3', 'TLSv1.2'. */
  readonly protocol: string;
  /** The standard name of the cipher suite: 'TLS_AES_256_GCM_SHA384'. */
  readonly cipher: string;
  /** The negotiated application protocol. */
  readonly alpn: string | undefined;
  /** The server name that the client requested. */
  readonly servername: string | undefined;
  /** True: the peer presented a valid certificate. */
  readonly authorized: boolean;
  /** The reason that the certificate is not valid: 'CERT_HAS_EXPIRED'. */
  readonly authorizationError: string | undefined;
  /** The peer's certificate, if it presented one. Read it before the socket is closed. */
  readonly peerCertificate: TlsPeerCertificate | undefined;
  /** True: the handshake resumed an earlier session. */
  readonly sessionReused: boolean;
  /** Clients: the latest session ticket of the server, for `tls.session` of the next `connect`. */
  readonly session: Buffer | undefined;
}
